# A guest that runs a guest itself, by AMD's SVM (APM volume 2, chapter 15). L1 prepares a VMCB and enters L2 with VMRUN;
# L2 writes to port 0x80, which nobody intercepts, prints "L2" and leaves with VMMCALL; then L1 prints "L1 again".
# A processor without SVM, or a host that hides it, makes it say "no SVM".
        .text
        .globl _start
        .macro say text
        lea     9f(%rip), %rsi
        mov     $0x3f8, %dx
7:      lodsb
        test    %al, %al
        jz      8f
        outb    %al, %dx
        jmp     7b
9:      .asciz  "\text"
8:
        .endm
_start: cld
        lea     stack_top(%rip), %rsp
        mov     $0x80000001, %eax
        cpuid
        bt      $2, %ecx
        jc      1f
        say     "no SVM\n"
        cli
        hlt
1:      mov     $0xc0000080, %ecx
        rdmsr
        bts     $12, %eax
        wrmsr
        mov     $0xc0010117, %ecx
        lea     hsave(%rip), %rax
        xor     %edx, %edx
        wrmsr
        lea     vmcb(%rip), %rbx
        movl    $3, 0x10(%rbx)                  # intercept VMRUN and VMMCALL
        movl    $0x80000000, 0x0c(%rbx)         # and shutdown
        movl    $1, 0x58(%rbx)                  # ASID
        mov     %cs, 0x410(%rbx)
        movw    $0x29b, 0x412(%rbx)
        movl    $-1, 0x414(%rbx)
        .irp    seg, 0x400, 0x420, 0x430, 0x440, 0x450
        mov     %ss, \seg(%rbx)
        movw    $0xc93, \seg+2(%rbx)
        movl    $-1, \seg+4(%rbx)
        .endr
        mov     $0xc0000080, %ecx
        rdmsr
        mov     %eax, 0x4d0(%rbx)
        mov     %cr4, %rax
        mov     %rax, 0x548(%rbx)
        mov     %cr3, %rax
        mov     %rax, 0x550(%rbx)
        mov     %cr0, %rax
        mov     %rax, 0x558(%rbx)
        movq    $0x400, 0x560(%rbx)
        mov     $0xffff0ff0, %eax
        mov     %rax, 0x568(%rbx)
        movq    $2, 0x570(%rbx)
        lea     inner(%rip), %rax
        mov     %rax, 0x578(%rbx)
        lea     inner_top(%rip), %rax
        mov     %rax, 0x5d8(%rbx)
        movabs  $0x0007040600070406, %rax
        mov     %rax, 0x668(%rbx)
        say     "L1\n"
        mov     %rbx, %rax
        vmrun   %rax
        lea     vmcb(%rip), %rbx
        cmpq    $0x81, 0x70(%rbx)
        je      2f
        say     "L1: other exit\n"
        cli
        hlt
2:      say     "L1 again\n"
        cli
        hlt
inner:  mov     $0x22, %al
        outb    %al, $0x80
        say     "L2\n"
        vmmcall
        say     "VMMCALL came back in L2\n"
        cli
        hlt
        .bss
        .balign 4096
vmcb:   .skip   4096
hsave:  .skip   4096
        .skip   4096
stack_top:
        .skip   4096
inner_top:
        .section .note.GNU-stack, "", @progbits
