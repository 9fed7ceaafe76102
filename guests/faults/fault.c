/*
 * One guest for each way to go wrong: -DFAULT=name picks the function. What the guest can print it prints; how the
 * host tells of the rest is in the list of guests.
 */
#include "runtime.h"

static void triple_fault(void) {
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) none = {0, 0};
  printf("no IDT, then an invalid opcode: exception, double fault, triple fault\n");
  __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void invalid_opcode(void) { __asm__ volatile("ud2"); }

static void step_over(struct interrupt_frame *frame) {
  printf("handler: exception %lu\n", frame->vector);
  frame->rip += 2;
}

static void handled_opcode(void) {
  set_handler(6, step_over);
  __asm__ volatile("ud2");
  printf("and on\n");
}

static void page_fault(void) { *(volatile uint64_t *)0x123456789000 = 1; }

static void general_protection(void) { *(volatile uint64_t *)0x8000000000000000 = 1; }

/* In assembly: to a C compiler a division by zero means that it may do what it likes. */
static void divide_error(void) {
  __asm__ volatile("xor %%edx, %%edx; div %%ecx" : : "a"(1), "c"(0) : "edx", "cc");
}

static void mmio_nowhere(void) {
  volatile uint32_t *nowhere = (volatile uint32_t *)MEMORY_MMIO_NOWHERE;
  *nowhere = 0x12345678;
  printf("nobody there: 0x%x\n", *nowhere);
}

static void unclaimed_port(void) {
  outl(PORT_UNCLAIMED, 0x12345678);
  printf("nobody there: 0x%x 0x%x 0x%x\n", inb(PORT_UNCLAIMED), inw(PORT_UNCLAIMED), inl(PORT_UNCLAIMED));
}

/* A host that emulates ring 0 may know no SSE arithmetic; hardware and full emulators do. */
static void sse_in_ring0(void) {
  uint64_t cr0, cr4;
  __asm__ volatile("mov %%cr0, %0; mov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
  cr0 = (cr0 & ~0xcull) | 2; /* EM and TS off, MP on */
  cr4 |= 0x600;              /* OSFXSR, OSXMMEXCPT */
  __asm__ volatile("mov %0, %%cr0; mov %1, %%cr4" : : "r"(cr0), "r"(cr4));
  printf("a packed addition in ring 0\n");
  uint32_t result[4] __attribute__((aligned(16))) = {1, 2, 3, 4};
  __asm__ volatile("movdqa %0, %%xmm0; paddd %%xmm0, %%xmm0; movdqa %%xmm0, %0" : "+m"(result));
  printf("this processor can: %u %u %u %u\n", result[0], result[1], result[2], result[3]);
}

static void wait_to_die(void) {
  for (;;)
    cpu_pause();
}

static void reset_i8042(void) {
  printf("reset by the keyboard controller\n");
  outb(PORT_I8042_COMMAND, COMMAND_RESET_I8042);
  wait_to_die();
}

static void reset_port_a(void) {
  printf("reset by system control port A\n");
  outb(PORT_SYSTEM_CONTROL_A, COMMAND_RESET_PORT_A);
  wait_to_die();
}

static void poweroff(void) {
  printf("power off\n");
  outw(PORT_POWEROFF, COMMAND_POWEROFF_ACPI);
  wait_to_die();
}

static void halt(void) {
  printf("halted for good\n");
  halt_forever();
}

static void spin(void) {
  printf("an endless loop without exits\n");
  for (;;)
    __asm__ volatile("");
}

static void guest_panic(void) { panic("%d is not %d", 2 + 2, 5); }

int main(void) {
  FAULT();
  return EXIT_OK;
}
