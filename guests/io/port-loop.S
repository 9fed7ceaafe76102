/* param_count OUT instructions to param_port and nothing else: what one exit costs. */
#include "contract.h"

        .text
        .globl  _start
_start:
        mov     param_count(%rip), %rcx
        mov     param_port(%rip), %rdx
        mov     $0x55, %al
1:      outb    %al, %dx
        dec     %rcx
        jnz     1b
        mov     $EXIT_OK, %al
        outb    %al, $PORT_DEBUG_EXIT
2:      cli
        hlt
        jmp     2b

        .data
        .balign 8
        .globl  param_count, param_port
        .type   param_count, @object
        .size   param_count, 8
param_count:
        .quad   100000
        .type   param_port, @object
        .size   param_port, 8
param_port:
        .quad   LOOP_PORT
        .section .note.GNU-stack, "", @progbits
