/* More of the identity map, for guests that are sent above 4 GiB. */
#include "runtime.h"

#define GIB (1ull << 30)
#define LARGE_PAGE (2ull << 20)
enum { PRESENT_WRITE_USER = 7, LARGE = 0x80, EXTRA = LIMIT_MAX_MAPPED_GIB - LIMIT_MAPPED_GIB };

extern uint64_t identity_pdpt[512];
static uint64_t extra_directories[EXTRA][512] __attribute__((aligned(4096)));

void map_up_to(uint64_t end) {
  if (end > LIMIT_MAX_MAPPED_GIB * GIB)
    panic("cannot map up to 0x%lx: the runtime maps at most %d GiB", end, LIMIT_MAX_MAPPED_GIB);
  for (uint64_t gib = LIMIT_MAPPED_GIB; gib * GIB < end; gib++) {
    uint64_t *directory = extra_directories[gib - LIMIT_MAPPED_GIB];
    for (int i = 0; i < 512; i++)
      directory[i] = (gib * GIB + i * LARGE_PAGE) | PRESENT_WRITE_USER | LARGE;
    identity_pdpt[gib] = (uint64_t)directory | PRESENT_WRITE_USER;
  }
}
