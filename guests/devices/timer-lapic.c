/* Interrupts from the local APIC's own timer; the processor sleeps in between. */
#include "runtime.h"

/* KVM's APIC bus runs at 1 GHz: one cycle is a nanosecond, and the timer counts every sixteenth. */
enum { BUS_HZ = 1000000000, DIVIDER = 16 };

PARAMETER(param_ticks, 10);
PARAMETER(param_hz, 100);
COUNTER(timer_ticks);

static void on_tick(struct interrupt_frame *frame) {
  (void)frame;
  timer_ticks++;
  lapic_end_of_interrupt();
}

int main(void) {
  set_handler(VECTOR_LAPIC_TIMER, on_tick);
  lapic_enable();
  printf("lapic: waiting for %lu interrupts\n", param_ticks);
  lapic_timer_start((uint32_t)(BUS_HZ / DIVIDER / param_hz));
  for (uint64_t seen = 0; seen < param_ticks;) {
    wait_for_interrupt();
    while (seen < timer_ticks && seen < param_ticks)
      printf("tick %lu\n", ++seen);
  }
  lapic_timer_stop();
  printf("lapic: done\n");
  return EXIT_OK;
}
