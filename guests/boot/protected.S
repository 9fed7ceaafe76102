/* To 32-bit protected mode: a GDT, one bit in CR0, a far jump. There the BIOS cannot be called: text goes to the screen. */
#include "boot.h"

        begin
        cli
        lgdtl   gdt_pointer
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $0x08, $LINEAR(in_protected_mode)

        .code32
in_protected_mode:
        mov     $0x10, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     $LINEAR(message), %esi
        mov     $MEMORY_TEXT_SCREEN, %edi
        mov     $0x0a, %ah
next:   lodsb
        test    %al, %al
        jz      done
        stosw
        jmp     next
done:   mov     $EXIT_OK, %al
        outb    %al, $PORT_DEBUG_EXIT
1:      hlt
        jmp     1b
message:
        .asciz  "Hello from 32 bits"
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff
        .quad   0x00cf92000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   LINEAR(gdt)
        signature
