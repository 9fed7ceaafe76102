/* Sectors of its own disk: one read by cylinder, head and sector; one written and read back by number. */
#include "boot.h"

        begin
        mov     %dl, drive
        mov     $0x0201, %ax
        mov     $2, %cx                 /* cylinder 0, sector 2 */
        mov     $0, %dh
        mov     $text, %bx
        int     $0x13
        jc      wrong
        print   text

        mov     $0x4300, %ax
        call    by_number
        mov     $text, %di
        mov     $512, %cx
        xor     %ax, %ax
        rep stosb
        mov     $0x4200, %ax
        call    by_number
        print   text
        finish  EXIT_OK

by_number:
        mov     drive, %dl
        mov     $packet, %si
        int     $0x13
        jc      wrong
        ret
wrong:  finish  EXIT_PANIC
        print_routine
drive:  .byte   0
        .balign 4
packet: .byte   16, 0
        .word   1
        .word   text, SEGMENT
        .quad   2
        signature
text:   .asciz  "read from the disk\r\n"
        .org    1536
