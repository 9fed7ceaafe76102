/* A loader in two parts: the boot sector reads what does not fit into it, and jumps there. */
#include "boot.h"

        .set    SECTORS, (end - second) / 512

        begin
        print   first_message
        mov     $(0x0200 + SECTORS), %ax
        mov     $2, %cx
        mov     $0, %dh
        mov     $second, %bx
        int     $0x13
        jc      wrong
        jmp     second
wrong:  finish  EXIT_PANIC
        print_routine
first_message:
        .asciz  "first sector, "
        signature
second: print   second_message
        finish  EXIT_OK
        .org    1024
second_message:
        .asciz  "third sector\r\n"
        .org    1536
end:
