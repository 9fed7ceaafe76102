/* Usable memory by the map of INT 15h AX=E820h; and whether address line 20 counts, by looking for one byte 1 MiB higher. */
#include "boot.h"

        .set    SMAP, 0x534d4150
        .set    ENTRY_BYTES, 20

        begin
        mov     $0x2401, %ax
        int     $0x15
        jc      wrong
        xor     %ebx, %ebx
next:   mov     $0xe820, %eax
        mov     $SMAP, %edx
        mov     $ENTRY_BYTES, %ecx
        mov     $entry, %di
        int     $0x15
        jc      wrong
        cmp     $SMAP, %eax
        jne     wrong
        cmpl    $1, entry + 16
        jne     skip
        mov     entry + 8, %eax
        shr     $10, %eax
        add     %eax, total
skip:   test    %ebx, %ebx
        jnz     next

        mov     $0xffff, %ax
        mov     %ax, %fs
        movb    $0x5a, %fs:(0x0510)     /* 0x100500 */
        xor     %ax, %ax
        mov     %ax, %gs
        movb    $0xa5, %gs:(0x0500)
        cmpb    $0x5a, %fs:(0x0510)
        jne     wrong

        mov     total, %ebp
        mov     $8, %cx
digit:  rol     $4, %ebp
        mov     %ebp, %eax
        and     $0x0f, %ax
        mov     %ax, %si
        mov     digits(%si), %al
        mov     $0x0e, %ah
        mov     $7, %bx
        int     $0x10
        loop    digit
        print   message
        finish  EXIT_OK
wrong:  finish  EXIT_PANIC
        print_routine
message:
        .asciz  "h KiB usable, A20 on\r\n"
digits: .ascii  "0123456789abcdef"
total:  .long   0
entry:  .skip   ENTRY_BYTES
        signature
