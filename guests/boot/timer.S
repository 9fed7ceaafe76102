/*
 * The timer at 100 Hz with a handler of one's own. Only the timer's counts are written: its mode and the interrupt
 * controllers are as the BIOS has left them.
 */
#include "boot.h"

        .set    COUNT, 11932            /* 1193182 Hz / 100 */
        .set    TICKS, 10

        begin
        cli
        xor     %ax, %ax
        mov     %ax, %es
        movw    $tick, %es:(8 * 4)
        movw    $SEGMENT, %es:(8 * 4 + 2)
        mov     $(COUNT & 0xff), %al
        outb    %al, $0x40
        mov     $(COUNT >> 8), %al
        outb    %al, $0x40
        sti
wait:   hlt
        cmpw    $TICKS, ticks
        jb      wait
        cli
        print   message
        finish  EXIT_OK

tick:   push    %ax
        incw    %cs:ticks
        mov     $0x20, %al
        outb    %al, $0x20
        pop     %ax
        iret
        print_routine
message:
        .asciz  "10 ticks\r\n"
ticks:  .word   0
        signature
