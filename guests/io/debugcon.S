/* The debug console: answers 0xe9 when read, prints what is written. */
#include "contract.h"

        .text
        .globl  _start
_start:
        cld
        inb     $PORT_DEBUGCON, %al
        cmp     $PORT_DEBUGCON, %al
        mov     $EXIT_PANIC, %al
        jne     out
        lea     message(%rip), %rsi
        mov     $PORT_DEBUGCON, %dx
        mov     $(message_end - message), %ecx
        rep outsb
        mov     $EXIT_OK, %al
out:    outb    %al, $PORT_DEBUG_EXIT
1:      cli
        hlt
        jmp     1b
message:
        .ascii  "Hello from the debug console\n"
message_end:
        .section .note.GNU-stack, "", @progbits
