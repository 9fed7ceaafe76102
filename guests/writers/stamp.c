/*
 * Writes the number of the iteration into random pages. A page then carries the last iteration that touched it, and
 * an incremental checkpoint can be checked exactly: a page is new if its stamp is (invariants.ts).
 */
#include "runtime.h"

PARAMETER(param_base, MEMORY_WRITE_AREA);
PARAMETER(param_span, 512);
PARAMETER(param_pages, 16);
PARAMETER(param_rounds, ROUNDS);
PARAMETER(param_seed, 1);
PARAMETER(param_notify, NOTIFY);
/* The iteration that is being written: it is raised before its first stamp. */
COUNTER(stamp_iteration);

int main(void) {
  ensure(param_span && param_seed);
  map_up_to(param_base + param_span * LIMIT_PAGE_SIZE);
  printf("stamp: %lu of %lu pages an iteration\n", param_pages, param_span);
  uint64_t random = param_seed;
  while (!param_rounds || stamp_iteration < param_rounds) {
    stamp_iteration++;
    for (uint64_t i = 0; i < param_pages; i++) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      *(volatile uint64_t *)(param_base + (random >> 20) % param_span * LIMIT_PAGE_SIZE) = stamp_iteration;
    }
    if (param_notify)
      outb(PORT_POST, (uint8_t)stamp_iteration);
  }
  printf("stamp: %lu iterations, random state %016lx\n", stamp_iteration, random);
  return EXIT_OK;
}
