/*
 * Page tables as data: 4 GiB mapped one to one with 2 MiB pages, so that no guest spends instructions on them.
 * The first 2 MiB are the kernel's; ring 3 may touch the rest.
 */
#include "contract.h"

#define PRESENT_WRITE 0x03
#define USER 0x04
#define LARGE 0x80

        .section .data.paging, "aw"
        .balign 4096
        .globl  identity_pml4, identity_pdpt
identity_pml4:
        .quad   identity_pdpt + PRESENT_WRITE + USER
        .fill   511, 8, 0
identity_pdpt:
        .set    index, 0
        .rept   LIMIT_MAPPED_GIB
        .quad   identity_pd + index * 4096 + PRESENT_WRITE + USER
        .set    index, index + 1
        .endr
        .fill   512 - LIMIT_MAPPED_GIB, 8, 0
identity_pd:
        .quad   0 + PRESENT_WRITE + LARGE
        .set    index, 1
        .rept   LIMIT_MAPPED_GIB * 512 - 1
        .quad   index * 0x200000 + PRESENT_WRITE + USER + LARGE
        .set    index, index + 1
        .endr

        .section .note.GNU-stack, "", @progbits
