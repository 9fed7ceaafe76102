/* Virtio over MMIO with one split queue, as a driver sees it (virtio 1.2, 2.7 and 4.2). */
#pragma once
#include <stdint.h>

enum { QUEUE_SIZE = 16, SECTOR = 512, DISK_TRANSFER_MAX = 1024 * 1024 };

enum { DESC_NEXT = 1, DESC_WRITE = 2 };

struct virtq_desc {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
};

struct virtq_avail {
  uint16_t flags, index, ring[QUEUE_SIZE];
};

struct virtq_used {
  uint16_t flags, index;
  struct {
    uint32_t head, length;
  } ring[QUEUE_SIZE];
};

enum { BLK_IN = 0, BLK_OUT = 1, BLK_FLUSH = 4 };

/* The disk in slot 0; its size in sectors, or 0 where there is none. `interrupts`: sleep until a request is done. */
uint64_t disk_start(int interrupts);
/* Puts requests for one sector each into the queue, at most 5, tells the device once, and waits until all are done. */
void disk_requests(uint32_t type, uint64_t first_sector, void *sectors, unsigned count);
/* One request for whole sectors, at most DISK_TRANSFER_MAX bytes; waits until it is done. */
void disk_transfer(uint32_t type, uint64_t first_sector, void *data, uint32_t bytes);
void disk_flush(void);
