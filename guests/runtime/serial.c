/* The first serial port, polled: 16550 with its FIFOs on (PC16550D data sheet, section 8). */
#include "runtime.h"

enum { DATA = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };
enum { FIFO_DEPTH = 16, LSR_TRANSMITTER_EMPTY = 0x20 };

void serial_init(void) {
  outb(PORT_SERIAL + IER, 0x00);
  outb(PORT_SERIAL + LCR, 0x03); /* 8 data bits, no parity, 1 stop bit */
  outb(PORT_SERIAL + FCR, 0x07); /* FIFOs on and empty */
  outb(PORT_SERIAL + MCR, 0x03); /* DTR, RTS */
}

void serial_write(const char *bytes, size_t length) {
  while (length) {
    size_t burst = length < FIFO_DEPTH ? length : FIFO_DEPTH;
    while (!(inb(PORT_SERIAL + LSR) & LSR_TRANSMITTER_EMPTY))
      cpu_pause();
    outsb(PORT_SERIAL + DATA, bytes, burst);
    bytes += burst;
    length -= burst;
  }
}
