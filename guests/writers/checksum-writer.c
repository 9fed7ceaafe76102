/*
 * One writer on each processor. A page holds the round it was written in, its writer, words derived from both, and
 * their sum; the writer says beforehand which page it is about to write. So at any instant every page but that one
 * is whole, and exactly the pages before it are of the present round (invariants.ts). The loop runs in ring 3.
 */
#include "runtime.h"

enum { WORDS = 512, SUM = WORDS - 1 };

PARAMETER(param_base, MEMORY_WRITE_AREA);
PARAMETER(param_pages, 64); /* of each writer */
PARAMETER(param_rounds, ROUNDS);
PARAMETER(param_notify, NOTIFY);

/* Pages that each writer has begun, less one: position / param_pages rounds are complete. One word, so never torn. */
USER_DATA volatile uint64_t checksum_position[LIMIT_MAX_CPUS] = {0};

USER_BSS static uint8_t user_stacks[LIMIT_MAX_CPUS][4096] __attribute__((aligned(16)));
static volatile unsigned finished;

USER_CODE static uint64_t write_pages(uint64_t cpu) {
  volatile uint64_t *base = (volatile uint64_t *)(param_base + cpu * param_pages * LIMIT_PAGE_SIZE);
  for (uint64_t round = 1; !param_rounds || round <= param_rounds; round++) {
    for (uint64_t page = 0; page < param_pages; page++) {
      volatile uint64_t *words = base + page * WORDS;
      checksum_position[cpu] = (round - 1) * param_pages + page;
      uint64_t value = round * 0x9e3779b97f4a7c15ull + page + (cpu << 32), sum = round + cpu;
      words[0] = round;
      words[1] = cpu;
      for (unsigned i = 2; i < SUM; i++) {
        value ^= value << 13;
        value ^= value >> 7;
        words[i] = value;
        sum += value;
      }
      words[SUM] = sum;
    }
    if (param_notify)
      __asm__ volatile("outb %b0, %1" : : "a"(round), "N"(PORT_POST));
  }
  checksum_position[cpu] = param_rounds * param_pages;
  return 0;
}

static void work(unsigned cpu) {
  user_init(cpu);
  enter_user(write_pages, (uint64_t)(user_stacks + cpu + 1), cpu);
  __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
}

int main(void) {
  ensure(param_pages);
  map_up_to(param_base + LIMIT_MAX_CPUS * param_pages * LIMIT_PAGE_SIZE);
  printf("checksum-writer: %u processors, %lu pages each\n", fw_cfg_cpus(), param_pages);
  unsigned cpus = smp_start(work);
  work(0);
  while (finished != cpus)
    cpu_pause();
  printf("checksum-writer: %lu rounds on %u processors\n", param_rounds, cpus);
  return EXIT_OK;
}
