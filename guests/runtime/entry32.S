/*
 * Entry of the C guests in 32-bit protected mode, with a header for each boot protocol that starts them so. One file
 * for all three: -DMULTIBOOT1, -DMULTIBOOT2 or -DPVH picks the header.
 */
#include "contract.h"

#ifdef MULTIBOOT1
#define HEADER_MAGIC 0x1badb002
#define HEADER_FLAGS 0x3                /* modules on page boundaries, memory information wanted */
        .section .header, "a"
        .balign 4
        .long   HEADER_MAGIC, HEADER_FLAGS, -(HEADER_MAGIC + HEADER_FLAGS)
#endif

#ifdef MULTIBOOT2
#define HEADER_MAGIC 0xe85250d6
#define ARCHITECTURE_I386 0
        .section .header, "a"
        .balign 8
header: .long   HEADER_MAGIC, ARCHITECTURE_I386, header_end - header
        .long   -(HEADER_MAGIC + ARCHITECTURE_I386 + (header_end - header))
        .word   0, 0                    /* end tag */
        .long   8
header_end:
#endif

#ifdef PVH
        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 4, 18                /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   _start
#endif

        .code32
        .text
        .globl  _start
_start:
        cli
        cld
        mov     $stack_top, %esp
        push    %ebx
        push    %eax
        call    main32                  /* main32(eax, ebx) */
        outb    %al, $PORT_DEBUG_EXIT
1:      cli
        hlt
        jmp     1b

        .section .bss
        .balign 16
        .skip   8192
stack_top:
        .section .note.GNU-stack, "", @progbits
