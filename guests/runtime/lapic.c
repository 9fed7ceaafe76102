/* The local APIC through its registers at 0xfee00000 (SDM volume 3, chapter "APIC"). */
#include "runtime.h"

enum {
  ID = 0x20,
  EOI = 0xb0,
  SPURIOUS = 0xf0,
  ICR_LOW = 0x300,
  ICR_HIGH = 0x310,
  LVT_TIMER = 0x320,
  TIMER_INITIAL = 0x380,
  TIMER_DIVIDE = 0x3e0,
};
enum { SOFTWARE_ENABLE = 0x100, PERIODIC = 0x20000, MASKED = 0x10000, DIVIDE_BY_16 = 3 };
enum { DELIVER_INIT = 0x4500, DELIVER_STARTUP = 0x4600, DELIVERY_PENDING = 0x1000 };

static volatile uint32_t *reg(unsigned offset) { return (volatile uint32_t *)(0xfee00000ul + offset); }

void lapic_enable(void) {
  pic_off();
  *reg(SPURIOUS) = SOFTWARE_ENABLE | VECTOR_LAPIC_SPURIOUS;
}
unsigned lapic_id(void) { return *reg(ID) >> 24; }
void lapic_end_of_interrupt(void) { *reg(EOI) = 0; }

void lapic_timer_start(uint32_t count) {
  *reg(TIMER_DIVIDE) = DIVIDE_BY_16;
  *reg(LVT_TIMER) = PERIODIC | VECTOR_LAPIC_TIMER;
  *reg(TIMER_INITIAL) = count;
}

void lapic_timer_stop(void) {
  *reg(LVT_TIMER) = MASKED;
  *reg(TIMER_INITIAL) = 0;
}

static void send(unsigned id, uint32_t command) {
  *reg(ICR_HIGH) = id << 24;
  *reg(ICR_LOW) = command;
  while (*reg(ICR_LOW) & DELIVERY_PENDING)
    cpu_pause();
}

void lapic_start_ap(unsigned id) {
  send(id, DELIVER_INIT);
  send(id, DELIVER_STARTUP | (MEMORY_AP_TRAMPOLINE >> 12));
}
