# A guest that sends BYTES bytes to the serial port with one `rep outsb`, then ends through debug-exit with 0. ELF64.

	.section .text
	.globl _start
	.code64
_start:
	cld
	mov $text, %esi
	mov $0x3f8, %edx
	mov $BYTES, %ecx
	rep outsb
	xor %eax, %eax
	out %al, $0xf4
	hlt

	.section .data
text:
	.rept BYTES / 64
	.ascii "The quick brown fox jumps over the lazy dog, again and again..\r\n"
	.endr

	.section .note.GNU-stack, "", @progbits
