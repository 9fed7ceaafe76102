/* Multiboot 1 at its smallest: the header, a check of the loader's magic, a line of text. Boots in QEMU and GRUB too. */
#include "contract.h"

#define HEADER_MAGIC 0x1badb002
#define HEADER_FLAGS 0

        .section .header, "a"
        .balign 4
        .long   HEADER_MAGIC, HEADER_FLAGS, -(HEADER_MAGIC + HEADER_FLAGS)

        .code32
        .text
        .globl  _start
_start:
        cld
        mov     $PORT_SERIAL, %dx
        lea     wrong, %esi
        mov     $(wrong_end - wrong), %ecx
        mov     $EXIT_PANIC, %bl
        cmp     $MAGIC_MULTIBOOT1_LOADER, %eax
        jne     say
        lea     hello, %esi
        mov     $(hello_end - hello), %ecx
        mov     $EXIT_OK, %bl
say:    rep outsb
        mov     %bl, %al
        outb    %al, $PORT_DEBUG_EXIT
halt:   cli
        hlt
        jmp     halt

        .section .rodata
hello:  .ascii  "Hello from multiboot 1\n"
hello_end:
wrong:  .ascii  "EAX does not hold the multiboot magic\n"
wrong_end:
        .section .note.GNU-stack, "", @progbits
