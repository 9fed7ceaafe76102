/* Interrupts from the 8254 timer while the processor is busy: it never sleeps, and makes no exit between two ticks. */
#include "runtime.h"

PARAMETER(param_ticks, 10);
PARAMETER(param_hz, 100);
COUNTER(timer_ticks);

static void on_tick(struct interrupt_frame *frame) {
  (void)frame;
  timer_ticks++;
  pic_end_of_interrupt(0);
}

/* Numbers of a pseudo-random sequence until the next tick; COMPUTES: otherwise it only waits. */
static uint64_t until_tick(uint64_t seen) {
  uint64_t numbers = 0, value = 1;
  while (timer_ticks == seen) {
    if (COMPUTES) {
      value = value * 6364136223846793005 + 1442695040888963407;
      numbers += 1 + (value == 0);
    } else {
      __asm__ volatile("pause");
    }
  }
  return numbers;
}

int main(void) {
  set_handler(VECTOR_IRQ_BASE, on_tick);
  pic_init();
  pit_start((unsigned)param_hz);
  pic_unmask(0);
  interrupts_on();
  uint64_t numbers = 0;
  for (uint64_t ticks = 0; ticks < param_ticks; ticks++)
    numbers += until_tick(ticks);
  interrupts_off();
  ensure(COMPUTES == (numbers > 0));
  printf("busy: %lu ticks\n", param_ticks);
  return EXIT_OK;
}
