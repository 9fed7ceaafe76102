/* Lesson 13: a guest of one's own. No library and no linker script; it starts in long mode, at _start, with a stack. */

/* 1. What the host can see: variables by name, and bytes on ports. */
unsigned long squares[10];
unsigned long sum;
unsigned long limit = 10;

static void out(unsigned short port, unsigned char value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void print(const char *text) {
  while (*text) out(0x3f8, (unsigned char)*text++); /* the serial port */
}

/* 2. The guest's work, with two moments that a test can stop at: a line of text, and a code on the POST port. */
void _start(void) {
  print("ready\n");
  for (unsigned long i = 0; i < limit && i < 10; i++) squares[i] = i * i;
  out(0x80, 1);
  for (unsigned long i = 0; i < 10; i++) sum += squares[i];
  out(0xf4, (unsigned char)sum); /* the exit status */
  for (;;) __asm__ volatile("cli; hlt");
}
