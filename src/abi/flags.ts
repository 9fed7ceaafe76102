/** Named values and flag bits of the interface's structs (include/uapi/linux/kvm.h, arch/x86/include/uapi/asm/kvm.h). */

/** Names of bits, or of fields of several bits: name -> mask. */
export type FlagTable = Readonly<Record<string, number | bigint>>;

/**
 * Names the bits of `value` that `table` knows: "PE", "IOPL=3" for a field of several bits that is not zero, and what
 * is left over as one hex number. Bits that a table calls FIXED always read as 1 and are left out.
 */
export function decodeFlags(table: FlagTable, value: number | bigint): string[] {
  let rest = BigInt(value);
  const names: string[] = [];
  for (const [name, bits] of Object.entries(table)) {
    const mask = BigInt(bits);
    const found = rest & mask;
    if (found === 0n) continue;
    const lowest = mask & -mask;
    if (name !== 'FIXED') names.push(mask === lowest ? name : `${name}=${found / lowest}`);
    rest &= ~mask;
  }
  if (rest !== 0n) names.push(`0x${rest.toString(16)}`);
  return names;
}

/** The name of `value` in a table of values, or the number itself for one that the table does not know. */
export function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  return Object.keys(table).find((name) => table[name] === value) ?? String(value);
}

/** `flags` of a memory slot. */
export const MEMORY_REGION_FLAGS = { LOG_DIRTY_PAGES: 1, READONLY: 2, GUEST_MEMFD: 4 } as const;

/** Argument of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
export const DIRTY_LOG_PROTECT_FLAGS = { MANUAL_PROTECT_ENABLE: 1, INITIALLY_SET: 2 } as const;

/** `flags` of a dirty ring entry: the kernel sets DIRTY, user space RESET once it has taken the entry. */
export const DIRTY_GFN_FLAGS = { DIRTY: 1, RESET: 2 } as const;

/** Page offset of the dirty ring in the vCPU mapping. */
export const DIRTY_LOG_PAGE_OFFSET = 64;

/** Page offset of the data of port I/O in the vCPU mapping. */
export const PIO_PAGE_OFFSET = 1;
/** Page offset of the ring of coalesced MMIO writes in the vCPU mapping. */
export const COALESCED_MMIO_PAGE_OFFSET = 2;

/** Run states of a vCPU. */
export const MP_STATES = {
  RUNNABLE: 0,
  UNINITIALIZED: 1,
  INIT_RECEIVED: 2,
  HALTED: 3,
  SIPI_RECEIVED: 4,
  STOPPED: 5,
  CHECK_STOP: 6,
  OPERATING: 7,
  LOAD: 8,
  AP_RESET_HOLD: 9,
  SUSPENDED: 10,
} as const;

/** `flags` of kvm_vcpu_events: which optional fields count. */
export const VCPU_EVENT_FLAGS = {
  NMI_PENDING: 1,
  SIPI_VECTOR: 2,
  SHADOW: 4,
  SMM: 8,
  PAYLOAD: 16,
  TRIPLE_FAULT: 32,
} as const;

/** `interrupt.shadow` of kvm_vcpu_events. */
export const INTERRUPT_SHADOWS = { MOV_SS: 1, STI: 2 } as const;

/** `flags` of kvm_clock_data. TSC_STABLE is only ever read; REALTIME makes KVM_SET_CLOCK add the time gone by. */
export const CLOCK_FLAGS = { TSC_STABLE: 2, REALTIME: 4, HOST_TSC: 8 } as const;

/** `control` of kvm_guest_debug. */
export const GUEST_DEBUG_FLAGS = {
  ENABLE: 0x1,
  SINGLESTEP: 0x2,
  USE_SW_BP: 0x10000,
  USE_HW_BP: 0x20000,
  INJECT_DB: 0x40000,
  INJECT_BP: 0x80000,
  BLOCKIRQ: 0x100000,
} as const;

/** `chip_id` of kvm_irqchip. */
export const IRQCHIPS = { PIC_MASTER: 0, PIC_SLAVE: 1, IOAPIC: 2 } as const;

/** `type` of a routing entry. */
export const IRQ_ROUTING_TYPES = { IRQCHIP: 1, MSI: 2, S390_ADAPTER: 3, HV_SINT: 4, XEN_EVTCHN: 5 } as const;

/** `flags` of kvm_irqfd. */
export const IRQFD_FLAGS = { DEASSIGN: 1, RESAMPLE: 2 } as const;

/** `flags` of kvm_ioeventfd. */
export const IOEVENTFD_FLAGS = { DATAMATCH: 1, PIO: 2, DEASSIGN: 4, VIRTIO_CCW_NOTIFY: 8 } as const;

/** `flags` of kvm_msi. */
export const MSI_FLAGS = { VALID_DEVID: 1 } as const;

/** `flags` of kvm_pit_state2. */
export const PIT_FLAGS = { HPET_LEGACY: 1, SPEAKER_DATA_ON: 2 } as const;
/** `flags` of kvm_pit_config. */
export const PIT_CONFIG_FLAGS = { SPEAKER_DUMMY: 1 } as const;

/** Register classes of KVM_CAP_SYNC_REGS, for kvm_valid_regs and kvm_dirty_regs. */
export const SYNC_REGS = { REGS: 1, SREGS: 2, EVENTS: 4 } as const;
/** All groups of registers that kvm_run can carry. */
export const ALL_SYNC_REGS = SYNC_REGS.REGS | SYNC_REGS.SREGS | SYNC_REGS.EVENTS;

/** `flags` of kvm_sregs2. */
export const SREGS2_FLAGS = { PDPTRS_VALID: 1 } as const;

/** `flags` of kvm_cpuid_entry2. The kernel's name of the first has a slip of the pen; this one has not. */
export const CPUID_ENTRY_FLAGS = { SIGNIFICANT_INDEX: 1, STATEFUL_FUNC: 2, STATE_READ_NEXT: 4 } as const;

/** `flags` of a range of the MSR filter. */
export const MSR_FILTER_FLAGS = { READ: 1, WRITE: 2 } as const;
/** `flags` of the MSR filter: what holds for MSRs in no range. */
export const MSR_FILTER_DEFAULT = { ALLOW: 0, DENY: 1 } as const;

/** Argument of KVM_CAP_X86_DISABLE_EXITS. */
export const DISABLE_EXITS_FLAGS = { MWAIT: 1, HLT: 2, PAUSE: 4, CSTATE: 8 } as const;

/** Types of VM, for KVM_CREATE_VM and the answer of KVM_CAP_VM_TYPES (a bitmap). */
export const VM_TYPES = { DEFAULT_VM: 0, SW_PROTECTED_VM: 1, SEV_VM: 2, SEV_ES_VM: 3, SNP_VM: 4 } as const;

/** Argument of KVM_CAP_DISABLE_QUIRKS2. */
export const QUIRKS = {
  LINT0_REENABLED: 0x1,
  CD_NW_CLEARED: 0x2,
  LAPIC_MMIO_HOLE: 0x4,
  OUT_7E_INC_RIP: 0x8,
  MISC_ENABLE_NO_MWAIT: 0x10,
  FIX_HYPERCALL_INSN: 0x20,
  MWAIT_NEVER_UD_FAULTS: 0x40,
  SLOT_ZAP_ALL: 0x80,
} as const;

/** Group of a vCPU's TSC attributes, for the device-attribute ioctls (devices/vcpu.rst, section 4). */
export const VCPU_TSC_CTRL = 0;
/** Attribute of {@link VCPU_TSC_CTRL}: the offset of the guest's TSC from the host's. */
export const VCPU_TSC_OFFSET = 0;

/** `flags` of kvm_stats_desc: the kind of a statistic. */
export const STATS_TYPE = { CUMULATIVE: 0, INSTANT: 1, PEAK: 2, LINEAR_HIST: 3, LOG_HIST: 4 } as const;
/** `flags` of kvm_stats_desc: the unit of a statistic. */
export const STATS_UNIT = { NONE: 0x00, BYTES: 0x10, SECONDS: 0x20, CYCLES: 0x30, BOOLEAN: 0x40 } as const;
/** `flags` of kvm_stats_desc: whether the exponent is of 10 or of 2. */
export const STATS_BASE = { POW10: 0x000, POW2: 0x100 } as const;
/** `flags` of kvm_stats_desc: the bits of each part. */
export const STATS_MASKS = { TYPE: 0xf, UNIT: 0xf0, BASE: 0xf00 } as const;
