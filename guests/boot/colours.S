/* Sixteen colours: each digit in its own, by INT 10h AH=09h; then the line moves down by scrolling. */
#include "boot.h"

        begin
        mov     $0x0003, %ax
        int     $0x10
        xor     %di, %di
next:   mov     $0x02, %ah              /* the cursor: row 0, column DI */
        mov     $0, %bh
        mov     %di, %dx
        mov     $0, %dh
        int     $0x10
        mov     digits(%di), %al
        mov     $0x09, %ah
        mov     %di, %bx
        xor     $0x10, %bl              /* on blue, but for blue itself */
        mov     $0, %bh
        mov     $1, %cx
        int     $0x10
        inc     %di
        cmp     $16, %di
        jb      next
        mov     $0x0701, %ax            /* down by one */
        mov     $0x07, %bh
        xor     %cx, %cx
        mov     $0x184f, %dx
        int     $0x10
        finish  EXIT_OK
digits: .ascii  "0123456789abcdef"
        signature
