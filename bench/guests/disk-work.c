/* What a virtio disk does: requests of one kind after the other, one at a time, each kind timed by the time stamp counter. */
#include "../../guests/devices/virtio.h"
#include "runtime.h"

/* The disk has 64 MiB, of which the large requests go over the first part: once, and once more. */
enum { SMALL = 4096, SMALL_REQUESTS = 1000, LARGE = DISK_TRANSFER_MAX, LARGE_REQUESTS = 48, BUFFER = 0x1000000 };

static uint64_t sectors;

static uint64_t time_stamp(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return low | (uint64_t)high << 32;
}

/* Where request `number` goes, in units of its size: one after the other, or all over the disk (2^32 / the golden ratio, odd). */
static uint64_t place_of(uint64_t number, uint32_t bytes, int random) {
  return (random ? number * 2654435769u >> 8 : number) % (sectors * SECTOR / bytes);
}

static void requests(uint32_t type, uint32_t bytes, int random) {
  const unsigned count = bytes == LARGE ? LARGE_REQUESTS : SMALL_REQUESTS;
  for (unsigned i = 0; i < count; i++)
    disk_transfer(type, place_of(i, bytes, random) * (bytes / SECTOR), (void *)BUFFER, bytes);
}

static void timed(const char *name, uint32_t type, uint32_t bytes, int random) {
  const uint64_t began = time_stamp();
  requests(type, bytes, random);
  printf("%s: %u requests, %lu ticks\n", name, bytes == LARGE ? LARGE_REQUESTS : SMALL_REQUESTS, time_stamp() - began);
}

int main(void) {
  sectors = disk_start(INTERRUPTS);
  ensure(sectors * SECTOR >= LARGE_REQUESTS * (uint64_t)LARGE);
  requests(BLK_IN, SMALL, 0); /* so that both sides are warm */
  timed("read 4 KiB, sequential", BLK_IN, SMALL, 0);
  timed("read 4 KiB, random", BLK_IN, SMALL, 1);
  timed("read 1 MiB", BLK_IN, LARGE, 0);
  timed("write 4 KiB, sequential", BLK_OUT, SMALL, 0);
  timed("write 4 KiB, random", BLK_OUT, SMALL, 1);
  timed("write 1 MiB, first time", BLK_OUT, LARGE, 0);
  timed("write 1 MiB, again", BLK_OUT, LARGE, 0);
  return EXIT_OK;
}
