/*
 * A FAT12 volume, all of it: boot sector, one FAT, root directory, and a file in two clusters that do not follow each
 * other. The boot sector finds the file by its name, follows the FAT and prints it.
 */
#include "boot.h"

        .set    FAT_SECTOR, 1
        .set    ROOT_SECTOR, 2
        .set    DATA_SECTOR, 3
        .set    LAST_CLUSTER, 0xff8

        jmp     start
        nop
        .ascii  "VMLAPSE "
        .word   512                     /* bytes a sector */
        .byte   1                       /* sectors a cluster */
        .word   1                       /* sectors before the FAT */
        .byte   1                       /* FATs */
        .word   16                      /* entries of the root directory */
        .word   8                       /* sectors */
        .byte   0xf8
        .word   1                       /* sectors of a FAT */
        .word   63, 16                  /* sectors a track, heads */
        .long   0, 0
        .byte   0x80, 0, 0x29
        .long   0x12345678
        .ascii  "BOOT       FAT12   "

start:  begin
        mov     %dl, drive
        mov     $FAT_SECTOR, %ax
        mov     $fat, %bx
        call    read_sector
        mov     $ROOT_SECTOR, %ax
        mov     $buffer, %bx
        call    read_sector
        mov     $buffer, %di
look:   mov     $name, %si
        mov     $11, %cx
        push    %di
        repe cmpsb
        pop     %di
        je      found
        add     $32, %di
        cmp     $(buffer + 512), %di
        jb      look
wrong:  finish  EXIT_PANIC

found:  mov     26(%di), %bp            /* the first cluster */
next:   mov     %bp, %ax
        add     $(DATA_SECTOR - 2), %ax
        mov     $buffer, %bx
        call    read_sector
        print   buffer
        mov     %bp, %bx                /* an entry has one and a half bytes */
        shr     $1, %bx
        add     %bp, %bx
        mov     fat(%bx), %ax
        test    $1, %bp
        jz      even
        shr     $4, %ax
even:   and     $0x0fff, %ax
        mov     %ax, %bp
        cmp     $LAST_CLUSTER, %ax
        jb      next
        finish  EXIT_OK

        /* Sector AX of the volume to BX; all lie in the first track. */
read_sector:
        mov     %al, %cl
        inc     %cl
        mov     $0, %ch
        mov     $0, %dh
        mov     drive, %dl
        mov     $0x0201, %ax
        int     $0x13
        jc      wrong
        ret
        print_routine
name:   .ascii  "HELLO   TXT"
drive:  .byte   0
        .set    fat, 0x0800
        .set    buffer, 0x1000
        signature

        /* The FAT: 0 and 1 are taken; 2 goes on at 4, which is the last. */
        .byte   0xf8, 0xff, 0xff, 0x04, 0x00, 0x00, 0xff, 0x0f
        .org    1024
        .ascii  "BOOT       "
        .byte   0x08
        .skip   20
        .ascii  "HELLO   TXT"
        .byte   0x20
        .skip   14
        .word   2
        .long   1024
        .org    1536
        .asciz  "a file "
        .org    2560
        .asciz  "in two clusters\r\n"
        .org    4096
