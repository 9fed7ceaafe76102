/* Ring 3 that never gives up the processor, interrupted by a timer: what an operating system is made of. */
#include "runtime.h"

enum { BUS_HZ = 1000000000, DIVIDER = 16 };

PARAMETER(param_ticks, 20);
PARAMETER(param_hz, 200);
COUNTER(timer_ticks);
COUNTER(ring3_steps);

USER_BSS static uint8_t user_stack[8192] __attribute__((aligned(16)));
static uint64_t from_ring3;

USER_CODE static uint64_t count_up_to(uint64_t end) {
  while (ring3_steps < end)
    ring3_steps++;
  return 0;
}

#if BY_8254
enum { VECTOR = VECTOR_IRQ_BASE };

static void timer_begin(void) {
  pic_init();
  pit_start((unsigned)param_hz);
  pic_unmask(0);
}

static void timer_acknowledge(void) { pic_end_of_interrupt(0); }

static void timer_end(void) { pic_off(); }
#else
enum { VECTOR = VECTOR_LAPIC_TIMER };

static void timer_begin(void) {
  lapic_enable();
  lapic_timer_start((uint32_t)(BUS_HZ / DIVIDER / param_hz));
}

static void timer_acknowledge(void) { lapic_end_of_interrupt(); }

static void timer_end(void) { lapic_timer_stop(); }
#endif

static void on_tick(struct interrupt_frame *frame) {
  timer_ticks++;
  from_ring3 += (frame->cs & 3) == 3;
  timer_acknowledge();
  if (timer_ticks >= param_ticks)
    leave_user(frame, timer_ticks);
}

int main(void) {
  user_init(0);
  set_handler(VECTOR, on_tick);
  printf("preempt: ring 3 until %lu interrupts\n", param_ticks);
  timer_begin();
  /* Interrupts are let in by the flags that ring 3 starts with, so the first cannot come before it runs. */
  uint64_t ticks = enter_user_interruptible(count_up_to, (uint64_t)user_stack + sizeof user_stack, UINT64_MAX);
  timer_end();
  ensure(from_ring3 == ticks);
  ensure(ring3_steps > 0);
  printf("preempt: %lu interrupts, all from ring 3\n", ticks);
  return EXIT_OK;
}
