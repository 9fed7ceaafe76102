/* One stub of 16 bytes for each vector, then a common path that saves every register and calls C. */
#include "contract.h"

/* Exceptions for which the processor itself pushes an error code (SDM volume 3, table 6-1). */
#define HAS_ERROR_CODE ((1 << 8) | (0x1f << 10) | (1 << 17) | (1 << 21) | (1 << 29) | (1 << 30))

        .section .text
        .balign 16
        .globl  interrupt_stubs
interrupt_stubs:
        .set    vector, 0
        .rept   VECTOR_COUNT
        .balign 16
        .if     (vector >= 32)
        push    $0
        .elseif ((HAS_ERROR_CODE >> vector) & 1) == 0
        push    $0
        .endif
        push    $vector
        jmp     interrupt_common
        .set    vector, vector + 1
        .endr

interrupt_common:
        push    %rax
        push    %rbx
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %rbp
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        cld
        mov     %rsp, %rdi
        mov     %rsp, %rbp
        and     $-16, %rsp
        call    interrupt_dispatch
        mov     %rbp, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rbp
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rbx
        pop     %rax
        add     $16, %rsp
        iretq

        .section .note.GNU-stack, "", @progbits
