/*
 * The way up for application processors. A SIPI starts them in real mode at the trampoline page; the code is copied
 * there, so it reaches its own labels by their distance from the page's start.
 */
#include "contract.h"

#define AT(label) (MEMORY_AP_TRAMPOLINE + (label) - ap_trampoline)
#define CR0_PE 0x00000001
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

        .section .rodata
        .globl  ap_trampoline, ap_trampoline_end
        .code16
ap_trampoline:
        cli
        cld
        xor     %ax, %ax
        mov     %ax, %ds
        lgdtl   AT(ap_gdt_pointer)
        mov     %cr0, %eax
        or      $CR0_PE, %eax
        mov     %eax, %cr0
        ljmpl   $0x28, $AT(ap_protected)

        .code32
ap_protected:
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     %cr4, %eax
        or      $CR4_PAE, %eax
        mov     %eax, %cr4
        mov     $identity_pml4, %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_LME, %eax
        wrmsr
        mov     %cr0, %eax
        or      $CR0_PG, %eax
        mov     %eax, %cr0
        ljmpl   $0x08, $ap_long

        .balign 4
ap_gdt_pointer:
        .word   0x2f
        .long   gdt
ap_trampoline_end:

        .section .text
        .code64
ap_long:
        mov     $1, %ebx
        lock xaddl %ebx, ap_next(%rip)
        mov     %ebx, %eax
        shl     $13, %rax
        lea     ap_stacks(%rip), %rsp
        add     %rax, %rsp
        call    load_gdt
        mov     %ebx, %edi
        xor     %ebp, %ebp
        call    ap_main
1:      cli
        hlt
        jmp     1b

        .section .data
        .balign 4
ap_next:
        .long   1

        .section .bss
        .balign 16
ap_stacks:                              /* 8 KiB for each processor but the first, the stack of number n ends at n << 13 */
        .skip   LIMIT_MAX_CPUS << 13

        .section .note.GNU-stack, "", @progbits
