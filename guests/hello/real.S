/*
 * Real mode, flat. The code never names its own address, so it runs wherever it is put: CALL tells where it is, and
 * the text is read through CS. Built twice: bare, and padded to a 512-byte boot sector.
 */
#include "contract.h"

        .code16
        .text
_start:
        cli
        cld
        call    1f
1:      pop     %si
        add     $(message - 1b), %si
        mov     $PORT_SERIAL, %dx
next:   lodsb   %cs:(%si), %al
        test    %al, %al
        jz      done
        outb    %al, %dx
        jmp     next
done:   mov     $EXIT_OK, %al
        outb    %al, $PORT_DEBUG_EXIT
halt:   hlt
        jmp     halt
message:
        .asciz  "Hello from real mode\n"

#ifdef BOOT_SECTOR
        .org    510
        .word   0xaa55
#endif
        .section .note.GNU-stack, "", @progbits
