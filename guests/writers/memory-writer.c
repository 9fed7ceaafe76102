/*
 * Dirties memory in a known pattern: each round writes param_pages pages of an area of param_span pages, either
 * param_stride pages apart (all distinct while they fit the area) or seeded random. -DRING=3 runs the loop in
 * ring 3, natively on hosts that emulate ring 0.
 */
#include "runtime.h"

#ifndef RING
#define RING 0
#endif

PARAMETER(param_base, MEMORY_WRITE_AREA);
PARAMETER(param_span, 256);
PARAMETER(param_pages, 64);
PARAMETER(param_stride, STRIDE);
PARAMETER(param_words, 1);
PARAMETER(param_rounds, ROUNDS);
PARAMETER(param_seed, 1);
PARAMETER(param_delay, 0);
PARAMETER(param_notify, NOTIFY);
COUNTER(writer_rounds);
COUNTER(writer_writes);

USER_BSS static uint8_t user_stack[8192] __attribute__((aligned(16)));

/* xorshift64 (Marsaglia, 2003): never 0 once it is not 0. */
static inline __attribute__((always_inline)) uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

USER_CODE static uint64_t write_rounds(uint64_t random) {
  uint64_t checksum = 0, page = 0;
  while (!param_rounds || writer_rounds < param_rounds) {
    for (uint64_t i = 0; i < param_pages; i++) {
      uint64_t value = next_random(&random);
      page = (param_stride ? i * param_stride : value >> 20) % param_span;
      volatile uint64_t *words = (volatile uint64_t *)(param_base + page * LIMIT_PAGE_SIZE);
      for (uint64_t w = 0; w < param_words; w++)
        words[w] = value + w;
      checksum += value ^ page;
      writer_writes++;
    }
    writer_rounds++;
    if (param_notify)
      __asm__ volatile("outb %b0, %1" : : "a"(writer_rounds), "N"(PORT_POST));
    for (uint64_t i = 0; i < param_delay; i++)
      __asm__ volatile("pause");
  }
  return checksum;
}

int main(void) {
  ensure(param_span && param_words && param_words <= 512 && param_seed);
  map_up_to(param_base + param_span * LIMIT_PAGE_SIZE);
  printf("memory-writer: ring %d, %lu pages a round in %lu pages at 0x%lx\n", RING, param_pages, param_span, param_base);
  if (RING == 3)
    user_init(0);
  uint64_t checksum = RING == 3 ? enter_user(write_rounds, (uint64_t)user_stack + sizeof user_stack, param_seed)
                                : write_rounds(param_seed);
  printf("memory-writer: %lu rounds, %lu writes, checksum %016lx\n", writer_rounds, writer_writes, checksum);
  return EXIT_OK;
}
