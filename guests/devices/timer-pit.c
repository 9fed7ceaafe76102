/* Interrupts from the 8254 timer through the 8259 interrupt controllers; the processor sleeps in between. */
#include "runtime.h"

PARAMETER(param_ticks, 10);
PARAMETER(param_hz, 100);
COUNTER(timer_ticks);

static void on_tick(struct interrupt_frame *frame) {
  (void)frame;
  timer_ticks++;
  pic_end_of_interrupt(0);
}

int main(void) {
  set_handler(VECTOR_IRQ_BASE, on_tick);
  pic_init();
  pit_start((unsigned)param_hz);
  pic_unmask(0);
  printf("pit: waiting for %lu interrupts\n", param_ticks);
  for (uint64_t seen = 0; seen < param_ticks;) {
    wait_for_interrupt();
    /* A machine that was held up may find more than one tick here. */
    while (seen < timer_ticks && seen < param_ticks)
      printf("tick %lu\n", ++seen);
  }
  printf("pit: done\n");
  return EXIT_OK;
}
