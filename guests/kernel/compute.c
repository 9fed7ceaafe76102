/*
 * A run that must come out the same, wherever it is interrupted, saved and brought back: every round mixes all of
 * the memory it owns, and prints a hash that depends on every step before. No time, no interrupts, no input.
 * -DRING=3 does the mixing in ring 3.
 */
#include "runtime.h"

#ifndef RING
#define RING 0
#endif

enum { WORDS = 8192 };

PARAMETER(param_rounds, 8);
PARAMETER(param_seed, 1);
COUNTER(compute_round);
COUNTER(compute_hash);

USER_BSS static uint64_t words[WORDS] __attribute__((aligned(4096)));
USER_BSS static uint8_t user_stack[8192] __attribute__((aligned(16)));

USER_CODE static uint64_t mix_all(uint64_t hash) {
  for (unsigned i = 0; i < WORDS; i++) {
    hash ^= words[i] + i;
    hash *= 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
    words[hash % WORDS] += hash;
    words[i] = hash;
  }
  return hash;
}

int main(void) {
  printf("compute: %lu rounds over %d KiB in ring %d\n", param_rounds, WORDS * 8 / 1024, RING);
  if (RING == 3)
    user_init(0);
  compute_hash = param_seed;
  while (compute_round < param_rounds) {
    compute_hash = RING == 3 ? enter_user(mix_all, (uint64_t)user_stack + sizeof user_stack, compute_hash)
                             : mix_all(compute_hash);
    compute_round++;
    printf("round %lu hash %016lx\n", compute_round, compute_hash);
  }
  return (int)(compute_hash & 0xff);
}
