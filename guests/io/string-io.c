/*
 * String I/O in both directions, all widths, and backwards. KVM hands INS to the host in batches and OUTS one by
 * one; either may be cut in the middle by a checkpoint.
 */
#include "runtime.h"

enum { LONG_READ = 3000, SIGNATURE_LENGTH = 4 };

static uint8_t buffer[4 * LONG_READ];

static void insb(uint16_t port, void *to, unsigned long count) {
  __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static void insb_backwards(uint16_t port, void *last, unsigned long count) {
  __asm__ volatile("std; rep insb; cld" : "+D"(last), "+c"(count) : "d"(port) : "memory");
}

static void insw(uint16_t port, void *to, unsigned long count) {
  __asm__ volatile("rep insw" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static void insl(uint16_t port, void *to, unsigned long count) {
  __asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(port) : "memory");
}

static void outsb_backwards(uint16_t port, const void *last, unsigned long count) {
  __asm__ volatile("std; rep outsb; cld" : "+S"(last), "+c"(count) : "d"(port) : "memory");
}

static void select_signature(void) { outw(PORT_FW_CFG_SELECTOR, COMMAND_FW_CFG_SIGNATURE); }

static void check_ones(unsigned length) {
  for (unsigned i = 0; i < length; i++)
    ensure(buffer[i] == 0xff);
  ensure(buffer[length] == 0);
  memset(buffer, 0, length);
}

int main(void) {
  static const char reversed[] = "\n.tuo sdrawkcab :oi-gnirts";
  outsb_backwards(PORT_SERIAL, reversed + sizeof reversed - 2, sizeof reversed - 1);

  select_signature();
  insb(PORT_FW_CFG_DATA, buffer, SIGNATURE_LENGTH);
  printf("string-io: forwards in: %s\n", (const char *)buffer);
  select_signature();
  insb_backwards(PORT_FW_CFG_DATA, buffer + SIGNATURE_LENGTH - 1, SIGNATURE_LENGTH);
  printf("string-io: backwards in: %s\n", (const char *)buffer);
  memset(buffer, 0, SIGNATURE_LENGTH);

  insb(PORT_UNCLAIMED, buffer, LONG_READ);
  check_ones(LONG_READ);
  insw(PORT_UNCLAIMED, buffer, LONG_READ);
  check_ones(2 * LONG_READ);
  insl(PORT_UNCLAIMED, buffer, LONG_READ - 1);
  check_ones(4 * (LONG_READ - 1));
  printf("string-io: three long reads of ones\n");
  return EXIT_OK;
}
