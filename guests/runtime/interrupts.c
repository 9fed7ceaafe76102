/* The IDT, and what happens on a vector nobody asked for. */
#include "runtime.h"

enum { INTERRUPT_GATE_RING0 = 0x8e, KERNEL_CODE = 0x08, STUB_SIZE = 16, PAGE_FAULT = 14 };

struct gate {
  uint16_t offset_low, selector;
  uint8_t stack, type;
  uint16_t offset_middle;
  uint32_t offset_high, reserved;
} __attribute__((packed));

extern const char interrupt_stubs[];

static struct gate idt[VECTOR_COUNT] __attribute__((aligned(16)));
static interrupt_handler *handlers[VECTOR_COUNT];

static const char *const exception_names[32] = {
    "#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound range",
    "#UD invalid opcode", "#NM device not available", "#DF double fault", "coprocessor overrun", "#TS invalid TSS",
    "#NP segment not present", "#SS stack fault", "#GP general protection", "#PF page fault", "reserved",
    "#MF x87 error", "#AC alignment check", "#MC machine check", "#XM SIMD error", "#VE virtualization",
    "#CP control protection"};

void set_handler(unsigned vector, interrupt_handler *handler) { handlers[vector] = handler; }

static uint64_t read_cr2(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr2, %0" : "=r"(value));
  return value;
}

_Noreturn void report_exception(const struct interrupt_frame *frame) {
  const char *name = frame->vector < 32 ? exception_names[frame->vector] : "interrupt";
  printf("exception %lu %s error 0x%lx ring %lu rip 0x%lx", frame->vector, name ? name : "reserved", frame->error,
         frame->cs & 3, frame->rip);
  if (frame->vector == PAGE_FAULT)
    printf(" address 0x%lx", read_cr2());
  printf("\n");
  exit(frame->vector < 32 ? EXIT_EXCEPTION + (int)frame->vector : EXIT_PANIC);
}

/*
 * STI lets no interrupt in before the instruction behind it has begun. QEMU's SVM forgets that when its host interrupts it
 * there: the interrupt comes between STI and HLT, and the HLT would wait for one that has come. So it is stepped over.
 */
static void step_over_halt(struct interrupt_frame *frame) {
  const uint8_t halt = 0xf4;
  if (*(const uint8_t *)frame->rip == halt)
    frame->rip++;
}

void interrupt_dispatch(struct interrupt_frame *frame) {
  interrupt_handler *handler = handlers[frame->vector];
  if (!handler)
    report_exception(frame);
  if (frame->vector >= VECTOR_IRQ_BASE)
    step_over_halt(frame);
  handler(frame);
}

void idt_load(void) {
  struct {
    uint16_t limit;
    uint64_t base;
  } __attribute__((packed)) pointer = {sizeof idt - 1, (uint64_t)idt};
  __asm__ volatile("lidt %0" : : "m"(pointer));
}

void interrupts_init(void) {
  for (unsigned vector = 0; vector < VECTOR_COUNT; vector++) {
    uint64_t stub = (uint64_t)interrupt_stubs + vector * STUB_SIZE;
    idt[vector] = (struct gate){
        .offset_low = stub,
        .selector = KERNEL_CODE,
        .type = INTERRUPT_GATE_RING0,
        .offset_middle = stub >> 16,
        .offset_high = stub >> 32,
    };
  }
  idt_load();
}
