/* Port I/O and the few instructions that C has no words for. */
#pragma once
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t inb(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint16_t inw(uint16_t port) {
  uint16_t value;
  __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint32_t inl(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline void outsb(uint16_t port, const void *from, unsigned long count) {
  __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}

static inline void cpu_pause(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void interrupts_off(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void interrupts_on(void) { __asm__ volatile("sti" : : : "memory"); }

/* STI takes effect after the next instruction, so an interrupt cannot slip in between and be slept through. */
static inline void wait_for_interrupt(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

static inline _Noreturn void halt_forever(void) {
  for (;;)
    __asm__ volatile("cli; hlt");
}
