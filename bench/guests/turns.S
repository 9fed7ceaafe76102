# A guest that makes TURNS exits: in each turn it adds WORK numbers up in memory, in ring 0, and writes a byte to a port. Then it
# ends through debug-exit with 0. ELF64.

	.section .text
	.globl _start, turn
	.code64
_start:
	mov $TURNS, %ebx
turn:
	mov $WORK, %ecx
add:
	add %rcx, sum(%rip)
	dec %ecx
	jnz add
	out %al, $0x80
	dec %ebx
	jnz turn
	xor %eax, %eax
	out %al, $0xf4
	hlt

	.section .data
	.balign 4096
sum:
	.quad 0

	.section .note.GNU-stack, "", @progbits
