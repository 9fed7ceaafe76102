/* The two 8259A interrupt controllers and the 8254 timer, as every PC has had them. */
#include "runtime.h"

enum { MASTER = 0x20, SLAVE = 0xa0, END_OF_INTERRUPT = 0x20, CASCADE_IRQ = 2 };
enum { PIT_CHANNEL0 = 0x40, PIT_COMMAND = 0x43, PIT_HZ = 1193182, PIT_RATE_GENERATOR = 0x34 };

void pic_init(void) {
  outb(MASTER, 0x11); /* ICW1: edge triggered, cascade, ICW4 follows */
  outb(MASTER + 1, VECTOR_IRQ_BASE);
  outb(MASTER + 1, 1 << CASCADE_IRQ);
  outb(MASTER + 1, 0x01); /* ICW4: 8086 mode */
  outb(SLAVE, 0x11);
  outb(SLAVE + 1, VECTOR_IRQ_BASE + 8);
  outb(SLAVE + 1, CASCADE_IRQ);
  outb(SLAVE + 1, 0x01);
  outb(MASTER + 1, 0xff & ~(1 << CASCADE_IRQ));
  outb(SLAVE + 1, 0xff);
}

/* Firmware leaves the timer running: who wants other interrupts alone has to say so. */
void pic_off(void) {
  outb(MASTER + 1, 0xff);
  outb(SLAVE + 1, 0xff);
}

void pic_unmask(unsigned irq) {
  uint16_t mask_port = (irq < 8 ? MASTER : SLAVE) + 1;
  outb(mask_port, inb(mask_port) & (uint8_t)~(1u << (irq & 7)));
}

void pic_end_of_interrupt(unsigned irq) {
  if (irq >= 8)
    outb(SLAVE, END_OF_INTERRUPT);
  outb(MASTER, END_OF_INTERRUPT);
}

void pit_start(unsigned hz) {
  unsigned divisor = PIT_HZ / hz;
  outb(PIT_COMMAND, PIT_RATE_GENERATOR);
  outb(PIT_CHANNEL0, (uint8_t)divisor);
  outb(PIT_CHANNEL0, (uint8_t)(divisor >> 8));
}
