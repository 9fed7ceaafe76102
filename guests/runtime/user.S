/* The way into ring 3 and back. */
#include "contract.h"

#define USER_DATA_SELECTOR (0x18 | 3)
#define USER_CODE_SELECTOR (0x20 | 3)

/*
 * uint64_t enter_user_at(entry, stack_top, argument, uint64_t *rsp0, rflags)
 * The kernel's stack pointer goes to the task state segment, so an interrupt from ring 3 finds the saved registers
 * right above its frame; leave_user drops the frame and returns from here.
 */
        .section .text
        .globl  enter_user_at
enter_user_at:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rcx                    /* also aligns the stack to 16 */
        mov     %rsp, (%rcx)
        mov     $user_start, %rax
        push    $USER_DATA_SELECTOR
        push    %rsi
        push    %r8
        push    $USER_CODE_SELECTOR
        push    %rax
        mov     %rdi, %rbx
        mov     %rdx, %rdi
        iretq

        .globl  leave_user_at
leave_user_at:                          /* (saved stack pointer, value) */
        mov     %rdi, %rsp
        mov     %rsi, %rax
        pop     %rcx
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

/* First and last instructions in ring 3: call the entry, hand its result back. */
        .section .user.text, "ax"
        .globl  user_exit
user_start:
        call    *%rbx
user_exit:
        ud2

        .section .note.GNU-stack, "", @progbits
