/*
 * Changes every model-specific register that lets itself be changed, and compares them all later with what they were.
 * Typed commands: w = write and remember, c = compare, q = end. The host puts the machine back, or into another one,
 * in between; what it forgets shows here. With -DCHANGE_FIRST it begins with w.
 */
#include "runtime.h"

struct range {
  uint32_t first, end;
};

/* Architectural, KVM's own (msr.rst), AMD's. What lies between is left out: each refusal is an exception. */
static const struct range RANGES[] = {{0x0, 0x500},           {0x560, 0x590},           {0x600, 0x601},
                                      {0x6a0, 0x6e8},         {0xd90, 0xda2},           {0x4b564d00, 0x4b564d09},
                                      {0xc0000080, 0xc0000105}, {0xc0000300, 0xc0000303}, {0xc0010000, 0xc0010060},
                                      {0xc0010110, 0xc0010150}, {0xc0010200, 0xc0010210}, {0xc0011020, 0xc0011030}};

/* They count on by themselves: time, cycles, events, the timer of the local APIC. */
static const struct range MOVING[] = {{0x10, 0x11},   {0xc1, 0xd3},   {0xe7, 0xe9},   {0x186, 0x198}, {0x309, 0x30d},
                                      {0x329, 0x32a}, {0x38d, 0x393}, {0x3f1, 0x3f3}, {0x4c1, 0x4d3}, {0x6e0, 0x6e1},
                                      {0x839, 0x83a}, {0xc0000300, 0xc0000303}, {0xc0010000, 0xc0010008},
                                      {0xc0010200, 0xc001020c}};

/* What runs this program, or what KVM acts upon: clocks in guest memory, the local APIC, the mode, the segments, SVM's. */
static const struct range KEPT[] = {{0x11, 0x13},   {0x1b, 0x1c},   {0x3b, 0x3c}, {0x79, 0x7a},
                                    {0x800, 0x900}, {0x4b564d00, 0x4b564d10}, {0xc0000080, 0xc0000081},
                                    {0xc0000100, 0xc0000102}, {0xc0000104, 0xc0000105}, {0xc0010117, 0xc0010118}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int is_in(const struct range *ranges, size_t count, uint32_t index) {
  for (size_t i = 0; i < count; i++)
    if (index >= ranges[i].first && index < ranges[i].end)
      return 1;
  return 0;
}

static volatile int refused;

static void step_over(struct interrupt_frame *frame) {
  refused = 1;
  frame->rip += 2; /* RDMSR and WRMSR are two bytes each */
}

static int read_msr(uint32_t index, uint64_t *value) {
  uint32_t low = 0, high = 0;
  refused = 0;
  __asm__ volatile("rdmsr" : "+a"(low), "+d"(high) : "c"(index) : "memory");
  *value = (uint64_t)high << 32 | low;
  return !refused;
}

static int write_msr(uint32_t index, uint64_t value) {
  refused = 0;
  __asm__ volatile("wrmsr" : : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(index) : "memory");
  return !refused;
}

static struct {
  uint32_t index;
  uint64_t value;
} known[2048];

COUNTER(msrs_known);
COUNTER(msrs_changed);

static void find(void) {
  uint64_t value;
  for (size_t r = 0; r < COUNT(RANGES); r++)
    for (uint32_t index = RANGES[r].first; index < RANGES[r].end; index++) {
      if (is_in(MOVING, COUNT(MOVING), index) || !read_msr(index, &value))
        continue;
      ensure(msrs_known < COUNT(known));
      known[msrs_known].index = index;
      known[msrs_known++].value = value;
    }
}

/* Some take only certain values: memory types, all ones, reserved bits as they were. */
static int change(uint32_t index, uint64_t old) {
  const uint64_t tries[] = {old ^ 1,    old ^ 6,       old ^ 0x800, old ^ 0x1000, 0x0606060606060606ull, 0xc06,
                            old ^ 0x20000, ~0ull,      0};
  for (size_t i = 0; i < COUNT(tries); i++) {
    uint64_t now;
    if (write_msr(index, tries[i]) && read_msr(index, &now) && now != old)
      return 1;
  }
  return 0;
}

static void change_all(void) {
  msrs_changed = 0;
  for (size_t i = 0; i < msrs_known; i++)
    if (!is_in(KEPT, COUNT(KEPT), known[i].index))
      msrs_changed += change(known[i].index, known[i].value);
  for (size_t i = 0; i < msrs_known; i++)
    read_msr(known[i].index, &known[i].value);
  printf("msrs: changed\n");
}

static void compare(void) {
  unsigned differ = 0;
  for (size_t i = 0; i < msrs_known; i++) {
    uint64_t now = 0;
    if (read_msr(known[i].index, &now) && now == known[i].value)
      continue;
    printf("msrs: 0x%x was 0x%lx, is 0x%lx\n", known[i].index, known[i].value, now);
    differ++;
  }
  printf("msrs: %u differ\n", differ);
}

static char typed(void) {
  while (!(inb(PORT_SERIAL + 5) & 1))
    cpu_pause();
  return (char)inb(PORT_SERIAL);
}

int main(void) {
  set_handler(13, step_over);
  find();
#ifdef CHANGE_FIRST
  change_all();
#endif
  printf("msrs: ready\n");
  for (;;) {
    char command = typed();
    if (command == 'w')
      change_all();
    else if (command == 'c')
      compare();
    else if (command == 'q')
      return EXIT_OK;
  }
}
