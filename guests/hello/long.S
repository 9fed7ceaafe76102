/*
 * 64-bit long mode, nothing but the host's page tables and segments: an ELF64 file, or flat at any address.
 * The shortest guest that says something; read it first.
 */
#include "contract.h"

        .text
        .globl  _start
_start:
        cld
        lea     message(%rip), %rsi
        mov     $PORT_SERIAL, %dx
        mov     $(message_end - message), %ecx
        rep outsb
        mov     $EXIT_OK, %al
        outb    %al, $PORT_DEBUG_EXIT
1:      cli
        hlt
        jmp     1b
message:
        .ascii  "Hello from long mode\n"
message_end:
        .section .note.GNU-stack, "", @progbits
