/*
 * Adds one to the first byte of each page, in order, over and over. At any instant all bytes are equal but for one
 * edge: the pages before it are one ahead. A checkpoint that mixes two moments has two edges (invariants.ts).
 */
#include "runtime.h"

PARAMETER(param_base, MEMORY_WRITE_AREA);
PARAMETER(param_span, 256);
PARAMETER(param_rounds, ROUNDS);
PARAMETER(param_notify, NOTIFY);
/* Additions made; counted after each. */
COUNTER(edge_steps);

int main(void) {
  ensure(param_span);
  map_up_to(param_base + param_span * LIMIT_PAGE_SIZE);
  printf("edge: one byte in each of %lu pages\n", param_span);
  for (uint64_t round = 0; !param_rounds || round < param_rounds; round++) {
    for (uint64_t page = 0; page < param_span; page++) {
      ++*(volatile uint8_t *)(param_base + page * LIMIT_PAGE_SIZE);
      edge_steps++;
    }
    if (param_notify)
      outb(PORT_POST, (uint8_t)round);
  }
  printf("edge: %lu additions\n", edge_steps);
  return EXIT_OK;
}
