/* Printing for the 32-bit guests: text and numbers, straight to the serial port. */
#pragma once
#include <stdint.h>

#include "contract.h"
#include "io.h"

static inline void print(const char *text) {
  while (*text)
    outb(PORT_SERIAL, (uint8_t)*text++);
}

static inline void print_bytes(const char *text, uint32_t length) { outsb(PORT_SERIAL, text, length); }

/* Numbers beyond 32 bits would need the compiler's division helper, which a freestanding guest lacks: so hex. */
static inline void print_hex(uint64_t value) {
  int shift = 60;
  while (shift && !(value >> shift))
    shift -= 4;
  print("0x");
  for (; shift >= 0; shift -= 4)
    outb(PORT_SERIAL, (uint8_t)"0123456789abcdef"[value >> shift & 15]);
}

static inline void print_range(const char *what, uint64_t base, uint64_t size, uint32_t type) {
  print(what);
  print(" ");
  print_hex(base);
  print(" + ");
  print_hex(size);
  print(" type ");
  print_hex(type);
  print("\n");
}
