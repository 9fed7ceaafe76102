/** Why KVM_RUN returned: the exit reasons and the codes inside them (include/uapi/linux/kvm.h). */

/** Exit reasons by name, without the KVM_EXIT_ prefix. */
export const Exit = {
  UNKNOWN: 0,
  EXCEPTION: 1,
  IO: 2,
  HYPERCALL: 3,
  DEBUG: 4,
  HLT: 5,
  MMIO: 6,
  IRQ_WINDOW_OPEN: 7,
  SHUTDOWN: 8,
  FAIL_ENTRY: 9,
  INTR: 10,
  SET_TPR: 11,
  TPR_ACCESS: 12,
  S390_SIEIC: 13,
  S390_RESET: 14,
  DCR: 15,
  NMI: 16,
  INTERNAL_ERROR: 17,
  OSI: 18,
  PAPR_HCALL: 19,
  S390_UCONTROL: 20,
  WATCHDOG: 21,
  S390_TSCH: 22,
  EPR: 23,
  SYSTEM_EVENT: 24,
  S390_STSI: 25,
  IOAPIC_EOI: 26,
  HYPERV: 27,
  ARM_NISV: 28,
  X86_RDMSR: 29,
  X86_WRMSR: 30,
  DIRTY_RING_FULL: 31,
  AP_RESET_HOLD: 32,
  X86_BUS_LOCK: 33,
  XEN: 34,
  RISCV_SBI: 35,
  RISCV_CSR: 36,
  NOTIFY: 37,
  LOONGARCH_IOCSR: 38,
  MEMORY_FAULT: 39,
  TDX: 40,
  ARM_SEA: 41,
} as const;

/** Name of an exit reason. */
export type ExitName = keyof typeof Exit;

/** Names by number. A number that is not here comes from a newer kernel: carry it, do not drop it. */
export const EXIT_REASONS: Readonly<Record<number, ExitName>> = Object.fromEntries(
  Object.entries(Exit).map(([name, nr]) => [nr, name as ExitName]),
);

/** What each exit of x86 means to a program that runs a guest, for people. */
export const EXIT_DOCS: Readonly<Partial<Record<ExitName, string>>> = {
  UNKNOWN: 'the hardware gave a reason that KVM passes on as it is',
  EXCEPTION: 'an exception that KVM passes on',
  IO: 'the guest accesses an I/O port: what it sends lies in the kvm_run page, and what it reads is put there before the next KVM_RUN',
  HYPERCALL: 'the guest calls its host',
  DEBUG: 'a breakpoint, or the end of a single step',
  HLT: 'the guest waits for an interrupt: with interrupt controllers in the kernel it would sleep there',
  MMIO: 'the guest accesses memory that is in no slot: a device answers, as for a port',
  IRQ_WINDOW_OPEN: 'the guest can take an interrupt now, as was asked for',
  SHUTDOWN: 'a triple fault: an exception for which even the double-fault handler failed',
  FAIL_ENTRY: 'the processor refused the state that was written: the guest did not run',
  INTR: 'a signal came',
  SET_TPR: 'the guest changed its task priority',
  TPR_ACCESS: 'the guest accessed its task priority',
  NMI: 'a non-maskable interrupt of the host came',
  INTERNAL_ERROR: 'KVM cannot go on, often with an instruction that it had to emulate',
  SYSTEM_EVENT: 'the guest wants to be switched off or reset',
  IOAPIC_EOI: 'the guest has finished an interrupt of an I/O APIC that is not in the kernel',
  HYPERV: 'the guest uses the interface of Hyper-V',
  X86_RDMSR: 'the guest reads an MSR that was to be asked for',
  X86_WRMSR: 'the guest writes an MSR that was to be asked for',
  DIRTY_RING_FULL: 'the ring of written pages is full: it has to be emptied first',
  X86_BUS_LOCK: 'the guest locked the bus across two cache lines',
  XEN: 'the guest uses the interface of Xen',
  NOTIFY: 'the guest let no interrupt through for too long',
  MEMORY_FAULT: 'memory was accessed in a way that it is not set up for',
};

/** `direction` of an IO exit. */
export const IO_DIRECTIONS = { IN: 0, OUT: 1 } as const;

/** `suberror` of an INTERNAL_ERROR exit. */
export const INTERNAL_ERRORS = {
  EMULATION: 1,
  SIMUL_EX: 2,
  DELIVERY_EV: 3,
  UNEXPECTED_EXIT_REASON: 4,
} as const;

/** What each internal error means, for people. */
export const INTERNAL_ERROR_DOCS: Readonly<Record<number, string>> = {
  1: 'KVM had to emulate an instruction and could not',
  2: 'several exceptions arrived at once',
  3: 'an exit happened while an event was being delivered',
  4: 'the hardware gave an exit reason that KVM does not know',
};

/** `flags` of an INTERNAL_ERROR exit with suberror EMULATION. */
export const EMULATION_FAILURE_FLAGS = { INSTRUCTION_BYTES: 1 } as const;

/** `type` of a SYSTEM_EVENT exit. */
export const SYSTEM_EVENTS = {
  SHUTDOWN: 1,
  RESET: 2,
  CRASH: 3,
  WAKEUP: 4,
  SUSPEND: 5,
  SEV_TERM: 6,
  TDX_FATAL: 7,
} as const;

/** `reason` bits of an X86_RDMSR or X86_WRMSR exit; the same bits enable them through KVM_CAP_X86_USER_SPACE_MSR. */
export const MSR_EXIT_REASONS = { INVAL: 1, UNKNOWN: 2, FILTER: 4 } as const;

/** `flags` of kvm_run on x86. */
export const RUN_FLAGS = { SMM: 1, BUS_LOCK: 2, GUEST_MODE: 4 } as const;

/** `flags` of a MEMORY_FAULT exit. */
export const MEMORY_FAULT_FLAGS = { PRIVATE: 8 } as const;
