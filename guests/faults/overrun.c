/*
 * A bug on purpose, of the kind that shows only later: a name that is too long is copied over the number behind it. Nothing
 * faults, and the sum is wrong two lines after. Who wrote the number is what a recording can tell.
 */
#include "runtime.h"

enum { ACCOUNTS = 3, NAME_BYTES = 8 };

struct account {
  char name[NAME_BYTES];
  uint64_t balance;
};
struct account accounts[ACCOUNTS];
uint64_t total;

static const char *const NAMES[ACCOUNTS] = {"ada", "grace_hopper", "alan"};

/* It should stop at NAME_BYTES. */
__attribute__((noinline)) static void set_name(volatile char *to, const char *name) {
  while ((*to++ = *name++))
    ;
}

__attribute__((noinline)) static uint64_t sum(void) {
  uint64_t all = 0;
  for (unsigned i = 0; i < ACCOUNTS; i++)
    all += ((volatile struct account *)accounts)[i].balance;
  return all;
}

int main(void) {
  for (unsigned i = 0; i < ACCOUNTS; i++)
    accounts[i].balance = 100;
  total = sum();
  printf("overrun: %u accounts, %lu in all\n", ACCOUNTS, total);
  for (unsigned i = 0; i < ACCOUNTS; i++)
    set_name(accounts[i].name, NAMES[i]);
  printf("overrun: they have names now\n");
  if (sum() != total)
    panic("%lu in all, it was %lu", sum(), total);
  return EXIT_OK;
}
