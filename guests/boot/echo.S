/* Keys by INT 16h, shown by INT 10h, until Enter. */
#include "boot.h"

        begin
        print   prompt
next:   mov     $0x00, %ah
        int     $0x16
        cmp     $'\r', %al
        je      done
        mov     $0x0e, %ah
        mov     $7, %bx
        int     $0x10
        jmp     next
done:   print   newline
        finish  EXIT_OK
        print_routine
prompt: .asciz  "type: "
newline:
        .asciz  "\r\n"
        signature
