/* What every C guest in long mode may use. main() is the guest; its return value becomes the exit status. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "contract.h"
#include "io.h"

int main(void);

/* Ends the machine through the debug-exit port. */
_Noreturn void exit(int status);
/* Says what is wrong and exits with EXIT_PANIC. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define ensure(condition) ((condition) ? (void)0 : panic("%s:%d: not true: %s", __FILE__, __LINE__, #condition))

void serial_init(void);
void serial_write(const char *bytes, size_t length);
/* Knows %d %u %x %ld %lu %lx %s %c %%, a width and zero padding. At most 256 bytes a call. */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *format, va_list arguments);

void *memset(void *to, int value, size_t length);
void *memcpy(void *to, const void *from, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t strlen(const char *text);

/* What an interrupt or exception leaves on the stack; isr.S pushes the registers. */
struct interrupt_frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error;
  uint64_t rip, cs, rflags, rsp, ss;
};
typedef void interrupt_handler(struct interrupt_frame *frame);

/* A vector without a handler prints what happened and exits with EXIT_EXCEPTION + vector. */
void interrupts_init(void);
void set_handler(unsigned vector, interrupt_handler *handler);
_Noreturn void report_exception(const struct interrupt_frame *frame);

/* Both PICs remapped to VECTOR_IRQ_BASE, all lines masked. */
void pic_init(void);
void pic_off(void);
void pic_unmask(unsigned irq);
void pic_end_of_interrupt(unsigned irq);
/* Channel 0 as a rate generator: one IRQ 0 every 1/hz s, at least 19 per second. */
void pit_start(unsigned hz);

void lapic_enable(void);
unsigned lapic_id(void);
void lapic_end_of_interrupt(void);
/* Periodic; `count` bus cycles / 16 between two interrupts. */
void lapic_timer_start(uint32_t count);
void lapic_timer_stop(void);
void lapic_start_ap(unsigned id);

unsigned fw_cfg_cpus(void);
/* Starts every application processor and has each run `work(cpu)` at once; returns their number plus one. */
unsigned smp_start(void (*work)(unsigned cpu));

/* Maps physical memory up to `end` one to one; 4 GiB are mapped from the start. */
void map_up_to(uint64_t end);

/* Gives the calling processor its own task state segment; needed once before enter_user. */
void user_init(unsigned cpu);
/* Runs entry(argument) in ring 3, with interrupts off or on, and returns its result. */
uint64_t enter_user(uint64_t (*entry)(uint64_t), uint64_t stack_top, uint64_t argument);
uint64_t enter_user_interruptible(uint64_t (*entry)(uint64_t), uint64_t stack_top, uint64_t argument);
/* For handlers of interrupts that came from ring 3: gives up ring 3, enter_user returns `value`. */
_Noreturn void leave_user(struct interrupt_frame *frame, uint64_t value);

/*
 * System calls by an invalid opcode: an exception is the one door from ring 3 that works on every KVM host. One that
 * runs ring 3 natively without hardware virtualization passes neither INT n nor SYSCALL on as hardware does.
 */
void set_user_call(uint64_t (*call)(uint64_t));
static inline __attribute__((always_inline)) uint64_t call_kernel(uint64_t value) {
  __asm__ volatile("ud2" : "+a"(value) : : "memory");
  return value;
}

/* Ring 3 sees only what is marked so; everything else below USER is the kernel's. */
#define USER_CODE __attribute__((section(".user.text"), noinline))
#define USER_DATA __attribute__((section(".user.data")))
/* GCC gives no room in the file to sections of this name. */
#define USER_BSS __attribute__((section(".sbss.user")))

/* A named 64-bit word that the host may set in the image before the guest starts. */
#define PARAMETER(name, value) volatile uint64_t name USER_DATA = (value)
/* A named 64-bit word that the host may read while the guest runs. */
#define COUNTER(name) volatile uint64_t name USER_DATA = 0
