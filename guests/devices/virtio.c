/* A driver for the virtio block device in slot 0: three descriptors a request, polled or by interrupt. */
#include "virtio.h"
#include "runtime.h"

enum { BASE = 0xfeb00000, IRQ_PIN = 16, IOAPIC = 0xfec00000 };
enum {
  MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, DRIVER_FEATURES = 0x020, DRIVER_FEATURES_SEL = 0x024,
  QUEUE_SEL = 0x030, QUEUE_NUM = 0x038, QUEUE_READY = 0x044, QUEUE_NOTIFY = 0x050, INTERRUPT_STATUS = 0x060,
  INTERRUPT_ACK = 0x064, STATUS = 0x070, QUEUE_DESC = 0x080, QUEUE_DRIVER = 0x090, QUEUE_DEVICE = 0x0a0, CONFIG = 0x100
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { MOST = QUEUE_SIZE / 3 };

static struct virtq_desc descriptors[QUEUE_SIZE] __attribute__((aligned(16)));
static volatile struct virtq_avail available __attribute__((aligned(4)));
static volatile struct virtq_used used __attribute__((aligned(4)));
static struct {
  uint32_t type, reserved;
  uint64_t sector;
} headers[MOST];
static volatile uint8_t statuses[MOST];
static int by_interrupt;

static volatile uint32_t *reg(unsigned at) { return (volatile uint32_t *)(uintptr_t)(BASE + at); }

static void set_address(unsigned at, const volatile void *address) {
  *reg(at) = (uint32_t)(uintptr_t)address;
  *reg(at + 4) = (uint32_t)((uintptr_t)address >> 32);
}

/* The input of the I/O APIC: level-triggered, active high, to vCPU 0 (82093AA, 3.2.4). */
static void route_interrupt(void) {
  volatile uint32_t *const select = (volatile uint32_t *)(uintptr_t)IOAPIC;
  volatile uint32_t *const window = (volatile uint32_t *)(uintptr_t)(IOAPIC + 0x10);
  *select = 0x10 + 2 * IRQ_PIN + 1;
  *window = 0;
  *select = 0x10 + 2 * IRQ_PIN;
  *window = (1 << 15) | VECTOR_DISK;
}

static void on_interrupt(struct interrupt_frame *frame) {
  (void)frame;
  *reg(INTERRUPT_ACK) = *reg(INTERRUPT_STATUS);
  lapic_end_of_interrupt();
}

uint64_t disk_start(int interrupts) {
  if (*reg(MAGIC) != 0x74726976 || *reg(VERSION) != 2 || *reg(DEVICE_ID) != 2)
    return 0;
  by_interrupt = interrupts;
  if (interrupts) {
    lapic_enable();
    set_handler(VECTOR_DISK, on_interrupt);
    route_interrupt();
  }
  *reg(STATUS) = 0;
  *reg(STATUS) = ACKNOWLEDGE | DRIVER;
  *reg(DRIVER_FEATURES_SEL) = 1;
  *reg(DRIVER_FEATURES) = 1; /* VERSION_1 */
  *reg(STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK;
  ensure(*reg(STATUS) & FEATURES_OK);
  *reg(QUEUE_SEL) = 0;
  *reg(QUEUE_NUM) = QUEUE_SIZE;
  set_address(QUEUE_DESC, descriptors);
  set_address(QUEUE_DRIVER, &available);
  set_address(QUEUE_DEVICE, &used);
  *reg(QUEUE_READY) = 1;
  *reg(STATUS) = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
  available.flags = interrupts ? 0 : 1;
  return *reg(CONFIG) | (uint64_t)*reg(CONFIG + 4) << 32;
}

static void offer(unsigned slot, uint32_t type, uint64_t sector, void *data, uint32_t length) {
  const uint16_t head = (uint16_t)(3 * slot);
  headers[slot].type = type;
  headers[slot].sector = sector;
  statuses[slot] = 0xff;
  descriptors[head] = (struct virtq_desc){(uintptr_t)&headers[slot], 16, DESC_NEXT, head + 1};
  descriptors[head + 1] = (struct virtq_desc){
    (uintptr_t)data, length, (uint16_t)(DESC_NEXT | (type == BLK_IN ? DESC_WRITE : 0)), head + 2};
  descriptors[head + 2] = (struct virtq_desc){(uintptr_t)&statuses[slot], 1, DESC_WRITE, 0};
  if (length == 0)
    descriptors[head].next = head + 2;
  available.ring[(uint16_t)(available.index + slot) % QUEUE_SIZE] = head;
}

static void submit(unsigned count) {
  const uint16_t until = (uint16_t)(used.index + count);
  __asm__ volatile("" : : : "memory");
  available.index = (uint16_t)(available.index + count);
  __asm__ volatile("" : : : "memory");
  *reg(QUEUE_NOTIFY) = 0;
  while (used.index != until) {
    if (by_interrupt)
      wait_for_interrupt();
    else
      cpu_pause();
  }
  __asm__ volatile("" : : : "memory");
  for (unsigned i = 0; i < count; i++)
    if (statuses[i] != 0)
      panic("disk: request %u of type %u at sector %lu answers %u", i, headers[i].type, headers[i].sector, statuses[i]);
}

void disk_requests(uint32_t type, uint64_t first_sector, void *sectors, unsigned count) {
  ensure(count <= MOST);
  for (unsigned i = 0; i < count; i++)
    offer(i, type, first_sector + i, (uint8_t *)sectors + i * SECTOR, SECTOR);
  submit(count);
}

void disk_flush(void) {
  offer(0, BLK_FLUSH, 0, 0, 0);
  submit(1);
}
