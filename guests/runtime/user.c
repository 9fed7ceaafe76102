/* Task state segments: where the processor finds the kernel's stack when ring 3 is interrupted. */
#include "runtime.h"

struct task_state {
  uint32_t reserved0;
  uint64_t rsp0, rsp1, rsp2, reserved1, ist[7], reserved2;
  uint16_t reserved3, io_map;
} __attribute__((packed));

enum { FIRST_TASK = 0x30 / 8, TYPE_TASK_PRESENT = 0x89 };

extern uint64_t gdt[];
uint64_t enter_user_at(uint64_t (*entry)(uint64_t), uint64_t stack_top, uint64_t argument, void *rsp0);
_Noreturn void leave_user_at(struct interrupt_frame *above, uint64_t value);

static struct task_state tasks[LIMIT_MAX_CPUS] __attribute__((aligned(16)));

static void user_return(struct interrupt_frame *frame) { leave_user(frame, frame->rax); }

void user_init(unsigned cpu) {
  uint64_t base = (uint64_t)&tasks[cpu], limit = sizeof tasks[cpu] - 1;
  uint64_t *descriptor = gdt + FIRST_TASK + 2 * cpu;
  tasks[cpu].io_map = sizeof tasks[cpu];
  descriptor[0] = limit | (base & 0xffffff) << 16 | (uint64_t)TYPE_TASK_PRESENT << 40 | (base >> 24 & 0xff) << 56;
  descriptor[1] = base >> 32;
  __asm__ volatile("ltr %w0" : : "r"((FIRST_TASK + 2 * cpu) * 8));
  set_handler(VECTOR_USER_RETURN, user_return);
}

static unsigned current_task(void) {
  unsigned selector;
  __asm__ volatile("str %0" : "=r"(selector));
  return (selector / 8 - FIRST_TASK) / 2;
}

uint64_t enter_user(uint64_t (*entry)(uint64_t), uint64_t stack_top, uint64_t argument) {
  return enter_user_at(entry, stack_top, argument, (char *)&tasks[current_task()] + offsetof(struct task_state, rsp0));
}

_Noreturn void leave_user(struct interrupt_frame *frame, uint64_t value) { leave_user_at(frame + 1, value); }
