/*
 * Page tables that change: ring 3 reads two addresses, one mapped by a 2 MiB page and one by a 4 KiB page, and the
 * kernel maps both to other memory after each round. What was read must be what is mapped, also where a machine was
 * taken back to an earlier moment: a translation that the processor or KVM has kept from later would be wrong then.
 */
#include "runtime.h"

#define LARGE_PAGE (2ull << 20)
enum { PRESENT_WRITE_USER = 7, LARGE = 0x80, PAGES = 2, ROUNDS = 20 };
/* Linear addresses without RAM of their own, and the physical memory that appears there: at PHYSICAL and behind it. */
enum { BY_LARGE_PAGE = 0x10000000, BY_SMALL_PAGE = 0x10200000, PHYSICAL = MEMORY_WRITE_AREA };

PARAMETER(param_rounds, ROUNDS);

extern uint64_t identity_pdpt[512];
static uint64_t small_pages[512] __attribute__((aligned(4096)));
USER_BSS static uint8_t user_stack[4096] __attribute__((aligned(16)));

static void map(uint64_t *entry, uint64_t address, uint64_t physical, uint64_t flags) {
  *(volatile uint64_t *)entry = physical | PRESENT_WRITE_USER | flags;
  __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* Marks what ring 3 has seen: an exit between two reads. */
static uint64_t mark(uint64_t seen) {
  __asm__ volatile("outb %b0, %1" : : "a"(seen), "N"(PORT_POST));
  return seen;
}

/* Each address twice, so that a machine can be stopped between two reads of the same mapping. */
USER_CODE static uint64_t read_all(uint64_t seen) {
  for (int turn = 0; turn < 2; turn++) {
    seen = seen << 8 | call_kernel(*(volatile uint8_t *)BY_LARGE_PAGE);
    seen = seen << 8 | call_kernel(*(volatile uint8_t *)BY_SMALL_PAGE);
  }
  return seen;
}

int main(void) {
  uint64_t *directory = (uint64_t *)(identity_pdpt[0] & ~0xfffull);
  for (uint64_t page = 0; page < PAGES; page++) {
    *(volatile uint8_t *)(PHYSICAL + page * LARGE_PAGE) = 'A' + page;
    *(volatile uint8_t *)(PHYSICAL + page * LARGE_PAGE + LIMIT_PAGE_SIZE) = 'a' + page;
  }
  user_init(0);
  set_user_call(mark);
  map(&directory[BY_SMALL_PAGE / LARGE_PAGE], BY_SMALL_PAGE, (uint64_t)small_pages, 0);
  for (uint64_t round = 0; round < param_rounds; round++) {
    uint64_t page = round % PAGES, physical = PHYSICAL + page * LARGE_PAGE;
    map(&directory[BY_LARGE_PAGE / LARGE_PAGE], BY_LARGE_PAGE, physical, LARGE);
    map(&small_pages[0], BY_SMALL_PAGE, physical + LIMIT_PAGE_SIZE, 0);
    uint64_t seen = enter_user(read_all, (uint64_t)user_stack + sizeof user_stack, 0);
    uint64_t both = ('A' + page) << 8 | ('a' + page);
    if (seen != (both << 16 | both))
      panic("round %lu: read 0x%08lx where 0x%04lx is mapped, twice", round, seen, both);
  }
  printf("remap: %lu rounds, all as mapped\n", param_rounds);
  return EXIT_OK;
}
