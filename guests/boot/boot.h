/*
 * What boot sectors share. A BIOS starts them at 0000:7c00, or at 07c0:0000, which is the same place; from the far jump on
 * it is the latter, so that labels are offsets from 0 in CS, DS and ES.
 */
#include "contract.h"

#define SEGMENT 0x07c0
#define LINEAR(label) (MEMORY_BOOT_SECTOR + (label))

        .code16
        .text

        .macro  begin
        ljmp    $SEGMENT, $1f
1:      mov     %cs, %ax
        mov     %ax, %ds
        mov     %ax, %es
        cld
        .endm

        /* Prints the text at a label, which ends in 0. Needs print_routine. */
        .macro  print label
        mov     $\label, %si
        call    print_text
        .endm

        .macro  print_routine
print_text:
        lodsb
        test    %al, %al
        jz      2f
        mov     $0x0e, %ah
        mov     $7, %bx
        int     $0x10
        jmp     print_text
2:      ret
        .endm

        .macro  finish code
        mov     $\code, %al
        outb    %al, $PORT_DEBUG_EXIT
3:      hlt
        jmp     3b
        .endm

        .macro  signature
        .org    510
        .word   0xaa55
        .endm

        .section .note.GNU-stack, "", @progbits
        .text
