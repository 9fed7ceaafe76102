# A guest that dirties the same PAGES pages (every STRIDE-th page from 16 MiB on) round after round, in ring 3, where
# every KVM kind runs it natively. It counts its rounds at ROUNDS and, if MARK is 1, ends each with `out %al, $0x80`.
# With PAGES 0 and MARK 0 it only spins. Multiboot 1, ELF32: vmlapse, the C floors and QEMU all boot the same file.
# Built as ELF64 and turned into ELF32 by objcopy, since an ELF32 object cannot hold the 64-bit relocations.

	.set ROUNDS, 0x00f00000		# an 8-byte counter, in a page of its own
	.set FIRST_PAGE, 0x01000000
	.set STACK_TOP, 0x00e00000
	.set TABLES, 0x00d00000		# PML4, PDPT, four page directories

	.section .text
	.long 0x1badb002, 0, -0x1badb002

	.globl _start
	.code32
_start:
	cld
	mov $STACK_TOP, %esp
	mov $TABLES, %edi		# clear the PML4 and the PDPT
	xor %eax, %eax
	mov $2048, %ecx
	rep stosl
	movl $TABLES + 0x1007, TABLES
	mov $TABLES + 0x2007, %eax
	xor %ecx, %ecx
1:	mov %eax, TABLES + 0x1000(,%ecx,8)
	add $0x1000, %eax
	inc %ecx
	cmp $4, %ecx
	jne 1b
	mov $0x87, %eax			# present, writable, user, 2 MiB
	mov $TABLES + 0x2000, %edi
	xor %ecx, %ecx
2:	mov %eax, (%edi,%ecx,8)
	movl $0, 4(%edi,%ecx,8)
	add $0x200000, %eax
	inc %ecx
	cmp $2048, %ecx
	jne 2b
	mov $TABLES, %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $0x20, %eax			# PAE
	mov %eax, %cr4
	mov $0xc0000080, %ecx		# EFER.LME
	rdmsr
	or $0x100, %eax
	wrmsr
	mov %cr0, %eax
	or $0x80000001, %eax
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $0x08, $long_mode

	.code64
long_mode:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	pushq $0x23			# ring 3: ss, rsp, rflags with IOPL 3, cs, rip
	pushq $STACK_TOP - 0x1000
	pushq $0x3002
	pushq $0x2b
	pushq $ring3
	iretq

ring3:
	xor %ebx, %ebx			# rounds
round:
	mov $FIRST_PAGE, %edi
	mov $PAGES, %ecx
	jrcxz 4f
3:	incq (%rdi)
	add $STRIDE * 4096, %rdi
	dec %ecx
	jnz 3b
4:	inc %rbx
	mov %rbx, ROUNDS
	.if MARK
	out %al, $0x80
	.endif
	jmp round

	.section .data
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9a000000ffff	# 0x08 ring 0 code, 64-bit
	.quad 0x00cf92000000ffff	# 0x10 ring 0 data
	.quad 0
	.quad 0x00cff2000000ffff	# 0x20 ring 3 data
	.quad 0x00affa000000ffff	# 0x28 ring 3 code, 64-bit
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.section .note.GNU-stack, "", @progbits
