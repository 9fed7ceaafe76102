/*
 * Sends back what comes in on the serial port until Ctrl-D. Polls by default; with -DINTERRUPTS it sleeps until
 * IRQ 4 says that something came.
 */
#include "runtime.h"

enum { DATA = PORT_SERIAL, IER = PORT_SERIAL + 1, MCR = PORT_SERIAL + 4, LSR = PORT_SERIAL + 5 };
enum { IER_RECEIVED = 1, MCR_DTR_RTS_OUT2 = 0x0b, LSR_DATA_READY = 1, SERIAL_IRQ = 4 };

COUNTER(echo_bytes);

#ifdef INTERRUPTS
#define NAME "echo-irq"
static volatile uint8_t ring[256];
static volatile uint8_t head, tail;

static void on_serial(struct interrupt_frame *frame) {
  (void)frame;
  while (inb(LSR) & LSR_DATA_READY)
    ring[head++] = inb(DATA);
  pic_end_of_interrupt(SERIAL_IRQ);
}

static void start(void) {
  set_handler(VECTOR_SERIAL, on_serial);
  pic_init();
  pic_unmask(SERIAL_IRQ);
  outb(MCR, MCR_DTR_RTS_OUT2); /* OUT2 lets the UART's interrupt through */
  outb(IER, IER_RECEIVED);
}

static uint8_t read_byte(void) {
  while (head == tail)
    wait_for_interrupt();
  return ring[tail++];
}
#else
#define NAME "echo-polled"
static void start(void) {}

static uint8_t read_byte(void) {
  while (!(inb(LSR) & LSR_DATA_READY))
    cpu_pause();
  return inb(DATA);
}
#endif

int main(void) {
  start();
  printf(NAME ": type, end with Ctrl-D\n");
  for (uint8_t byte; (byte = read_byte()) != MAGIC_END_OF_INPUT;) {
    serial_write((const char *)&byte, 1);
    echo_bytes++;
  }
  printf("\n" NAME ": %lu bytes\n", echo_bytes);
  return EXIT_OK;
}
