/* Every processor is started by INIT and SIPI, counts, and prints when it is its turn. */
#include "runtime.h"

enum { STEPS = 1000 };

static volatile unsigned turn;
static volatile uint64_t counted[LIMIT_MAX_CPUS];

static void work(unsigned cpu) {
  for (unsigned i = 0; i < STEPS; i++)
    counted[cpu]++;
  while (turn != cpu)
    cpu_pause();
  printf("cpu %u: apic id %u, counted to %lu\n", cpu, lapic_id(), counted[cpu]);
  turn = cpu + 1;
}

int main(void) {
  unsigned cpus = smp_start(work);
  printf("smp: %u processors\n", cpus);
  work(0);
  while (turn != cpus)
    cpu_pause();
  printf("smp: done\n");
  return EXIT_OK;
}
