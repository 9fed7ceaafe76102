/* 32-bit protected mode with paging off: an ELF32 file, or flat at any address. */
#include "contract.h"

        .code32
        .text
        .globl  _start
_start:
        cli
        cld
        mov     $MEMORY_USER, %esp
        call    1f
1:      pop     %esi
        add     $(message - 1b), %esi
        mov     $PORT_SERIAL, %dx
        mov     $(message_end - message), %ecx
        rep outsb
        mov     $EXIT_OK, %al
        outb    %al, $PORT_DEBUG_EXIT
2:      hlt
        jmp     2b
message:
        .ascii  "Hello from protected mode\n"
message_end:
        .section .note.GNU-stack, "", @progbits
