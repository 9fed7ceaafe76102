/*
 * Ring 3 in four acts: it computes and writes pages, writes a port because the I/O permission map allows it, calls
 * the kernel by an invalid opcode, and is stopped when it reaches for the kernel's memory.
 */
#include "runtime.h"

enum { PAGES = 32, PAGE_FAULT = 14, PAGE_FAULT_BY_USER_PROTECTION = 5 };

COUNTER(ring3_steps);
USER_BSS static volatile uint64_t pages[PAGES][512] __attribute__((aligned(4096)));
USER_BSS static uint8_t user_stack[8192] __attribute__((aligned(16)));
static const char kernel_secret[] = "ring 3 must not read this";

USER_CODE static uint64_t sum_squares(uint64_t up_to) {
  uint64_t sum = 0;
  for (uint64_t i = 1; i <= up_to; i++) {
    pages[i % PAGES][0] = i;
    sum += i * i;
    ring3_steps = i;
  }
  return sum;
}

USER_CODE static uint64_t write_port(uint64_t value) {
  __asm__ volatile("outb %b0, %1" : : "a"(value), "N"(PORT_POST));
  uint64_t selector;
  __asm__ volatile("mov %%cs, %0" : "=r"(selector));
  return selector & 3;
}

USER_CODE static uint64_t ask_kernel(uint64_t value) { return call_kernel(value); }

USER_CODE static uint64_t touch(uint64_t address) { return *(volatile uint8_t *)address; }

static uint64_t add_one(uint64_t value) { return value + 1; }

static void forbid(struct interrupt_frame *frame) {
  ensure(frame->error == PAGE_FAULT_BY_USER_PROTECTION);
  leave_user(frame, 0xdead);
}

static uint64_t in_ring3(uint64_t (*entry)(uint64_t), uint64_t argument) {
  return enter_user(entry, (uint64_t)user_stack + sizeof user_stack, argument);
}

int main(void) {
  user_init(0);
  set_user_call(add_one);
  set_handler(PAGE_FAULT, forbid);
  printf("ring3: sum of squares up to 100000 is %lu\n", in_ring3(sum_squares, 100000));
  printf("ring3: port written from ring %lu\n", in_ring3(write_port, 0x33));
  printf("ring3: the kernel made %lu of 41\n", in_ring3(ask_kernel, 41));
  printf("ring3: reading the kernel's memory: 0x%lx\n", in_ring3(touch, (uint64_t)kernel_secret));
  printf("ring3: done\n");
  return EXIT_OK;
}
