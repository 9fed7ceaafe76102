/*
 * For machines without interrupt controllers: waits in HLT until the host injects vector 0x24 (KVM_INTERRUPT). The
 * serial port's interrupt is on, so a host that turns IRQ 4 into that vector needs only send a byte.
 */
#include "runtime.h"

enum { DATA = PORT_SERIAL, IER = PORT_SERIAL + 1, MCR = PORT_SERIAL + 4, LSR = PORT_SERIAL + 5 };
enum { IER_RECEIVED = 1, MCR_DTR_RTS_OUT2 = 0x0b, LSR_DATA_READY = 1 };

COUNTER(interrupt_count);

static void on_interrupt(struct interrupt_frame *frame) {
  (void)frame;
  while (inb(LSR) & LSR_DATA_READY)
    inb(DATA);
  interrupt_count++;
}

int main(void) {
  set_handler(VECTOR_SERIAL, on_interrupt);
  outb(MCR, MCR_DTR_RTS_OUT2);
  outb(IER, IER_RECEIVED);
  printf("interrupt: waiting for vector 0x%x\n", VECTOR_SERIAL);
  while (interrupt_count == 0)
    wait_for_interrupt();
  printf("interrupt: received\n");
  return EXIT_OK;
}
