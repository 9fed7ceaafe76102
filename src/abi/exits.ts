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
