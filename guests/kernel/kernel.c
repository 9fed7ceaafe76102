/* The C guest to start your own from: what the runtime gives, shown and checked. */
#include "runtime.h"

static uint64_t zeroed[64];
static unsigned exceptions;

static uint64_t read_cr0(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr0, %0" : "=r"(value));
  return value;
}

static void skip_ud2(struct interrupt_frame *frame) {
  exceptions++;
  frame->rip += 2;
}

static unsigned ring(void) {
  unsigned selector;
  __asm__ volatile("mov %%cs, %0" : "=r"(selector));
  return selector & 3;
}

int main(void) {
  printf("kernel: a C guest in long mode, ring %u\n", ring());
  printf("kernel: decimal %d, unsigned %u, hexadecimal 0x%08x, long 0x%lx, text \"%s\", letter %c, percent %%\n", -42,
         42u, 0xbeefu, 0x123456789abcdef0ul, "abc", 'z');

  ensure(read_cr0() & 1);           /* protection */
  ensure(read_cr0() & 0x80000000u); /* paging */
  for (unsigned i = 0; i < sizeof zeroed / sizeof *zeroed; i++)
    ensure(zeroed[i] == 0);
  printf("kernel: paging is on, BSS is zero\n");

  set_handler(6, skip_ud2);
  __asm__ volatile("ud2");
  __asm__ volatile("ud2");
  ensure(exceptions == 2);
  printf("kernel: %u exceptions handled\n", exceptions);
  printf("kernel: done\n");
  return EXIT_OK;
}
