/* To 64-bit long mode at one go: page tables for 2 MiB, PAE, EFER.LME, paging and protection together, a far jump. */
#include "boot.h"

        .set    TABLES, 0x1000          /* PML4, PDPT, PD */
        .set    PRESENT_WRITABLE, 3
        .set    LARGE, 0x80
        .set    EFER, 0xc0000080

        begin
        cli
        xor     %ax, %ax
        mov     %ax, %es
        mov     $TABLES, %di
        mov     $(3 * 4096 / 4), %cx
        xor     %eax, %eax
        rep stosl
        movl    $(TABLES + 0x1000 + PRESENT_WRITABLE), %es:(TABLES)
        movl    $(TABLES + 0x2000 + PRESENT_WRITABLE), %es:(TABLES + 0x1000)
        movl    $(LARGE + PRESENT_WRITABLE), %es:(TABLES + 0x2000)

        mov     $(1 << 5), %eax
        mov     %eax, %cr4
        mov     $TABLES, %eax
        mov     %eax, %cr3
        mov     $EFER, %ecx
        rdmsr
        or      $(1 << 8), %ax
        wrmsr
        lgdtl   gdt_pointer
        mov     %cr0, %eax
        or      $0x80000001, %eax
        mov     %eax, %cr0
        ljmpl   $0x08, $LINEAR(in_long_mode)

        .code64
in_long_mode:
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $LINEAR(message), %esi
        mov     $MEMORY_TEXT_SCREEN, %edi
        mov     $0x0b, %ah
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
        .asciz  "Hello from 64 bits"
        .balign 8
gdt:    .quad   0
        .quad   0x00af9a000000ffff
        .quad   0x00cf92000000ffff
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   LINEAR(gdt)
        signature
