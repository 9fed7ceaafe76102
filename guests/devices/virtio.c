/* A driver for the virtio block device in slot 0: three descriptors a request, polled or by interrupt. */
#include "virtio.h"
#include "runtime.h"

enum { BASE = 0xfeb00000, IRQ_PIN = 16, IRQ_LINE = 5, IOAPIC = 0xfec00000 };
enum { CPUID_APIC = 1 << 9 };
enum {
  MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, DEVICE_FEATURES = 0x010, DEVICE_FEATURES_SEL = 0x014,
  DRIVER_FEATURES = 0x020, DRIVER_FEATURES_SEL = 0x024, QUEUE_SEL = 0x030, QUEUE_NUM = 0x038, QUEUE_READY = 0x044, QUEUE_NOTIFY = 0x050, INTERRUPT_STATUS = 0x060,
  INTERRUPT_ACK = 0x064, STATUS = 0x070, QUEUE_DESC = 0x080, QUEUE_DRIVER = 0x090, QUEUE_DEVICE = 0x0a0, CONFIG = 0x100
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { FEATURE_FLUSH = 1 << 9, FEATURE_VERSION_1 = 1 << (32 - 32) };
enum { MOST = QUEUE_SIZE / 3, PIECE = 128 * 1024 };

static struct virtq_desc descriptors[QUEUE_SIZE] __attribute__((aligned(16)));
static volatile struct virtq_avail available __attribute__((aligned(4)));
static volatile struct virtq_used used __attribute__((aligned(4)));
static struct {
  uint32_t type, reserved;
  uint64_t sector;
} headers[MOST];
static volatile uint8_t statuses[MOST];
static int by_interrupt;
static int has_apic;

static volatile uint32_t *reg(unsigned at) { return (volatile uint32_t *)(uintptr_t)(BASE + at); }

static void set_address(unsigned at, const volatile void *address) {
  *reg(at) = (uint32_t)(uintptr_t)address;
  *reg(at + 4) = (uint32_t)((uintptr_t)address >> 32);
}

static int find_apic(void) {
  uint32_t eax = 1, ebx, ecx = 0, edx;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return (edx & CPUID_APIC) != 0;
}

/* The input of the I/O APIC: level-triggered, active high, to vCPU 0 (82093AA, 3.2.4). */
static void route_by_apic(void) {
  lapic_enable();
  volatile uint32_t *const select = (volatile uint32_t *)(uintptr_t)IOAPIC;
  volatile uint32_t *const window = (volatile uint32_t *)(uintptr_t)(IOAPIC + 0x10);
  *select = 0x10 + 2 * IRQ_PIN + 1;
  *window = 0;
  *select = 0x10 + 2 * IRQ_PIN;
  *window = (1 << 15) | VECTOR_DISK;
}

/* A machine without APICs has the 8259s, whose line is another. */
static void route_by_pic(void) {
  pic_init();
  pic_unmask(IRQ_LINE);
}

static void on_interrupt(struct interrupt_frame *frame) {
  (void)frame;
  *reg(INTERRUPT_ACK) = *reg(INTERRUPT_STATUS);
  if (has_apic)
    lapic_end_of_interrupt();
  else
    pic_end_of_interrupt(IRQ_LINE);
}

uint64_t disk_start(int interrupts) {
  if (*reg(MAGIC) != 0x74726976 || *reg(VERSION) != 2 || *reg(DEVICE_ID) != 2)
    return 0;
  by_interrupt = interrupts;
  if (interrupts) {
    has_apic = find_apic();
    set_handler(has_apic ? VECTOR_DISK : VECTOR_IRQ_BASE + IRQ_LINE, on_interrupt);
    if (has_apic)
      route_by_apic();
    else
      route_by_pic();
  }
  *reg(STATUS) = 0;
  *reg(STATUS) = ACKNOWLEDGE | DRIVER;
  /* A device whose driver does not take FLUSH has to flush after each write (5.2.6.2). */
  *reg(DEVICE_FEATURES_SEL) = 0;
  *reg(DRIVER_FEATURES_SEL) = 0;
  *reg(DRIVER_FEATURES) = *reg(DEVICE_FEATURES) & FEATURE_FLUSH;
  *reg(DRIVER_FEATURES_SEL) = 1;
  *reg(DRIVER_FEATURES) = FEATURE_VERSION_1;
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

/* Puts a request into the queue, its data in buffers of at most PIECE bytes. Slots are three descriptors apart. */
static void offer(unsigned slot, uint32_t type, uint64_t sector, void *data, uint32_t length) {
  const uint16_t head = (uint16_t)(3 * slot);
  const uint16_t writable = type == BLK_IN ? DESC_WRITE : 0;
  uint16_t at = head;
  headers[slot].type = type;
  headers[slot].sector = sector;
  statuses[slot] = 0xff;
  descriptors[at] = (struct virtq_desc){(uintptr_t)&headers[slot], 16, DESC_NEXT, at + 1};
  for (uint32_t done = 0; done < length; done += PIECE) {
    const uint32_t left = length - done;
    at++;
    descriptors[at] = (struct virtq_desc){
      (uintptr_t)data + done, left < PIECE ? left : PIECE, (uint16_t)(DESC_NEXT | writable), at + 1};
  }
  at++;
  descriptors[at] = (struct virtq_desc){(uintptr_t)&statuses[slot], 1, DESC_WRITE, 0};
  available.ring[(uint16_t)(available.index + slot) % QUEUE_SIZE] = head;
}

static void submit(unsigned count) {
  const uint16_t until = (uint16_t)(used.index + count);
  __asm__ volatile("" : : : "memory");
  available.index = (uint16_t)(available.index + count);
  __asm__ volatile("" : : : "memory");
  *reg(QUEUE_NOTIFY) = 0;
  /* Interrupts are off until one is waited for: it comes also where the request is done by then. */
  if (by_interrupt)
    wait_for_interrupt();
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

void disk_transfer(uint32_t type, uint64_t first_sector, void *data, uint32_t bytes) {
  ensure(bytes <= DISK_TRANSFER_MAX);
  offer(0, type, first_sector, data, bytes);
  submit(1);
}

void disk_flush(void) {
  offer(0, BLK_FLUSH, 0, 0, 0);
  submit(1);
}
