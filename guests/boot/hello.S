/* The shortest guest of a BIOS: a line by INT 10h. */
#include "boot.h"

        begin
        print   message
        finish  EXIT_OK
        print_routine
message:
        .asciz  "Hello from the BIOS\r\n"
        signature
