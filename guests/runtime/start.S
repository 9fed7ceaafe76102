/*
 * Entry of the C guests in long mode. The host leaves: CPL 0, paging on with everything mapped one to one, flat
 * segments, interrupts off. From here the guest stands on its own stack, GDT, page tables and IDT.
 */
#include "contract.h"

        .section .text.start, "ax"
        .globl  _start
_start:
        cli
        cld
        lea     boot_stack_top(%rip), %rsp
        mov     $identity_pml4, %rax
        mov     %rax, %cr3
        call    load_gdt
        xor     %ebp, %ebp
        call    runtime_main
1:      cli
        hlt
        jmp     1b

/* Loads the runtime's GDT and reloads every segment register from it. */
        .globl  load_gdt
load_gdt:
        lgdt    gdt_pointer(%rip)
        pop     %rax
        push    $0x08
        push    %rax
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        xor     %eax, %eax
        mov     %eax, %fs
        mov     %eax, %gs
        lretq

        .section .data
        .balign 16
        .globl  gdt
gdt:    .quad   0
        .quad   0x00af9b000000ffff      /* 0x08 code, ring 0, 64 bit */
        .quad   0x00cf93000000ffff      /* 0x10 data, ring 0 */
        .quad   0x00cff3000000ffff      /* 0x18 data, ring 3 */
        .quad   0x00affb000000ffff      /* 0x20 code, ring 3, 64 bit */
        .quad   0x00cf9b000000ffff      /* 0x28 code, ring 0, 32 bit: for processors on their way up */
        .fill   2 * LIMIT_MAX_CPUS, 8, 0 /* 0x30 … task state segments, one per processor, filled by user.c */
gdt_end:
        .globl  gdt_pointer
gdt_pointer:
        .word   gdt_end - gdt - 1
        .quad   gdt

        .section .bss
        .balign 16
        .skip   16384
boot_stack_top:

        .section .note.GNU-stack, "", @progbits
