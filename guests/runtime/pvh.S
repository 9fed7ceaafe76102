/*
 * A second door for the C guests: the PVH note lets boot loaders that know no 64-bit entry (QEMU's -kernel among
 * them) start the same program in 32-bit mode; this code goes to long mode and joins _start.
 */
#include "contract.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 8, XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .quad   pvh_start

        .section .text
        .code32
        .globl  pvh_start
pvh_start:
        cli
        mov     $boot_gdt_pointer, %eax
        lgdt    (%eax)
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
        ljmp    $0x08, $_start

        .section .rodata
boot_gdt_pointer:
        .word   0x2f
        .long   gdt

        .section .note.GNU-stack, "", @progbits
