/*
 * Task state segments: where the processor finds the kernel's stack when ring 3 is interrupted, and which ports ring 3
 * may use (here: all below 0x400).
 */
#include "runtime.h"

enum { IO_MAP_BYTES = 0x400 / 8, FIRST_TASK = 0x30 / 8, TYPE_TASK_PRESENT = 0x89, INVALID_OPCODE = 6, UD2_LENGTH = 2 };
enum { RFLAGS_FIXED = 0x002, RFLAGS_INTERRUPTS = 0x200 };

struct task_state {
  uint32_t reserved0;
  uint64_t rsp0, rsp1, rsp2, reserved1, ist[7], reserved2;
  uint16_t reserved3, io_map_offset;
  uint8_t io_map[IO_MAP_BYTES + 1]; /* a clear bit allows a port; the processor wants a byte of ones behind */
} __attribute__((packed));

extern uint64_t gdt[];
extern const char user_exit[];
uint64_t enter_user_at(uint64_t (*entry)(uint64_t), uint64_t stack_top, uint64_t argument, void *rsp0,
                       uint64_t rflags);
_Noreturn void leave_user_at(struct interrupt_frame *above, uint64_t value);

static struct task_state tasks[LIMIT_MAX_CPUS] __attribute__((aligned(16)));

static uint64_t (*user_call)(uint64_t);

void set_user_call(uint64_t (*call)(uint64_t)) { user_call = call; }

static void on_invalid_opcode(struct interrupt_frame *frame) {
  if (frame->rip == (uint64_t)user_exit)
    leave_user(frame, frame->rax);
  if ((frame->cs & 3) != 3 || !user_call)
    report_exception(frame);
  frame->rax = user_call(frame->rax);
  frame->rip += UD2_LENGTH;
}

void user_init(unsigned cpu) {
  uint64_t base = (uint64_t)&tasks[cpu], limit = sizeof tasks[cpu] - 1;
  uint64_t *descriptor = gdt + FIRST_TASK + 2 * cpu;
  tasks[cpu].io_map_offset = offsetof(struct task_state, io_map);
  tasks[cpu].io_map[IO_MAP_BYTES] = 0xff;
  descriptor[0] = limit | (base & 0xffffff) << 16 | (uint64_t)TYPE_TASK_PRESENT << 40 | (base >> 24 & 0xff) << 56;
  descriptor[1] = base >> 32;
  __asm__ volatile("ltr %w0" : : "r"((FIRST_TASK + 2 * cpu) * 8));
  set_handler(INVALID_OPCODE, on_invalid_opcode);
}

static unsigned current_task(void) {
  unsigned selector;
  __asm__ volatile("str %0" : "=r"(selector));
  return (selector / 8 - FIRST_TASK) / 2;
}

static uint64_t enter(uint64_t (*entry)(uint64_t), uint64_t stack_top, uint64_t argument, uint64_t rflags) {
  void *rsp0 = (char *)&tasks[current_task()] + offsetof(struct task_state, rsp0);
  return enter_user_at(entry, stack_top, argument, rsp0, rflags);
}

uint64_t enter_user(uint64_t (*entry)(uint64_t), uint64_t stack_top, uint64_t argument) {
  return enter(entry, stack_top, argument, RFLAGS_FIXED);
}

uint64_t enter_user_interruptible(uint64_t (*entry)(uint64_t), uint64_t stack_top, uint64_t argument) {
  return enter(entry, stack_top, argument, RFLAGS_FIXED | RFLAGS_INTERRUPTS);
}

_Noreturn void leave_user(struct interrupt_frame *frame, uint64_t value) { leave_user_at(frame + 1, value); }
