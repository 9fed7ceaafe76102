/** struct kvm_run: the page shared between a vCPU and its thread, and what each exit reason puts into its union. */
import { struct } from '../struct.ts';
import { array, bytes, u8, u16, u32, u64 } from '../types.ts';
import { KvmDebugExitArch, KvmSyncRegs } from './vcpu.ts';

/** Byte offset of the union that describes an exit. */
export const RUN_EXIT_OFFSET = 32;
/** Size in bytes of that union. */
export const RUN_EXIT_SIZE = 256;
/** Byte offset of the synchronized registers. */
export const RUN_SYNC_REGS_OFFSET = 304;
/** Size in bytes that is reserved for them. */
export const RUN_SYNC_REGS_SIZE = 2048;

/** The fixed part of kvm_run. The exit union is raw bytes here: lay one of {@link RUN_EXITS} over it. */
export const KvmRun = struct('kvm_run', 2352, {
  request_interrupt_window: [0, u8],
  immediate_exit: [1, u8],
  padding1: [2, bytes(6)],
  exit_reason: [8, u32],
  ready_for_interrupt_injection: [12, u8],
  if_flag: [13, u8],
  flags: [14, u16],
  cr8: [16, u64],
  apic_base: [24, u64],
  exit: [RUN_EXIT_OFFSET, bytes(RUN_EXIT_SIZE)],
  kvm_valid_regs: [288, u64],
  kvm_dirty_regs: [296, u64],
  sync: [RUN_SYNC_REGS_OFFSET, KvmSyncRegs],
});

/** UNKNOWN: a hardware exit that KVM does not know. */
export const KvmRunHw = struct('kvm_run.hw', 8, { hardware_exit_reason: [0, u64] });

/** FAIL_ENTRY: the processor refused the guest state. The reason is the hardware's own code. */
export const KvmRunFailEntry = struct('kvm_run.fail_entry', 16, {
  hardware_entry_failure_reason: [0, u64],
  cpu: [8, u32],
});

/** EXCEPTION. */
export const KvmRunEx = struct('kvm_run.ex', 8, { exception: [0, u32], error_code: [4, u32] });

/** IO: `count` accesses of `size` bytes; the data is `data_offset` bytes from the start of kvm_run. */
export const KvmRunIo = struct('kvm_run.io', 16, {
  direction: [0, u8],
  size: [1, u8],
  port: [2, u16],
  count: [4, u32],
  data_offset: [8, u64],
});

/** DEBUG: a breakpoint or single step. */
export const KvmRunDebug = struct('kvm_run.debug', 32, { arch: [0, KvmDebugExitArch] });

/** MMIO: an access of `len` bytes to guest-physical memory that no slot backs. */
export const KvmRunMmio = struct('kvm_run.mmio', 24, {
  phys_addr: [0, u64],
  data: [8, bytes(8)],
  len: [16, u32],
  is_write: [20, u8],
});

/** HYPERCALL: user space answers in `ret`. Newer kernels call `longmode` the lower half of a 64-bit `flags`. */
export const KvmRunHypercall = struct('kvm_run.hypercall', 72, {
  nr: [0, u64],
  args: [8, array(u64, 6)],
  ret: [56, u64],
  longmode: [64, u32],
});

/** TPR_ACCESS. */
export const KvmRunTprAccess = struct('kvm_run.tpr_access', 16, { rip: [0, u64], is_write: [8, u32], pad: [12, u32] });

/** INTERNAL_ERROR: `suberror` (INTERNAL_ERRORS) and the first `ndata` words of `data`. */
export const KvmRunInternal = struct('kvm_run.internal', 136, {
  suberror: [0, u32],
  ndata: [4, u32],
  data: [8, array(u64, 16)],
});

/** INTERNAL_ERROR with suberror EMULATION: with bit 0 of `flags`, the instruction that could not be emulated. */
export const KvmRunEmulationFailure = struct('kvm_run.emulation_failure', 32, {
  suberror: [0, u32],
  ndata: [4, u32],
  flags: [8, u64],
  insn_size: [16, u8],
  insn_bytes: [17, bytes(15)],
});

/** SYSTEM_EVENT: `type` is one of SYSTEM_EVENTS; `ndata` words of `data` (the first is what older kernels call flags). */
export const KvmRunSystemEvent = struct('kvm_run.system_event', 136, {
  type: [0, u32],
  ndata: [4, u32],
  data: [8, array(u64, 16)],
});

/** IOAPIC_EOI: the guest ended a level-triggered interrupt. */
export const KvmRunEoi = struct('kvm_run.eoi', 1, { vector: [0, u8] });

/** HYPERV: `u` by `type`, see struct kvm_hyperv_exit. */
export const KvmRunHyperv = struct('kvm_run.hyperv', 56, { type: [0, u32], pad1: [4, u32], u: [8, bytes(48)] });

/** X86_RDMSR and X86_WRMSR: user space supplies `data` (on a read) and `error`. `reason`: MSR_EXIT_REASONS. */
export const KvmRunMsr = struct('kvm_run.msr', 24, {
  error: [0, u8],
  pad: [1, bytes(7)],
  reason: [8, u32],
  index: [12, u32],
  data: [16, u64],
});

/** XEN: `u` by `type`, see struct kvm_xen_exit. */
export const KvmRunXen = struct('kvm_run.xen', 80, { type: [0, u32], u: [8, bytes(72)] });

/** NOTIFY: the guest took too long without a window for events. */
export const KvmRunNotify = struct('kvm_run.notify', 4, { flags: [0, u32] });

/** MEMORY_FAULT: an access that needs the slot's private or shared half changed. `gpa` and `size` in bytes. */
export const KvmRunMemoryFault = struct('kvm_run.memory_fault', 24, {
  flags: [0, u64],
  gpa: [8, u64],
  size: [16, u64],
});

/** The layout of the exit union by exit reason, for the reasons that carry data on x86. */
export const RUN_EXITS = {
  UNKNOWN: KvmRunHw,
  EXCEPTION: KvmRunEx,
  IO: KvmRunIo,
  HYPERCALL: KvmRunHypercall,
  DEBUG: KvmRunDebug,
  MMIO: KvmRunMmio,
  FAIL_ENTRY: KvmRunFailEntry,
  TPR_ACCESS: KvmRunTprAccess,
  INTERNAL_ERROR: KvmRunInternal,
  SYSTEM_EVENT: KvmRunSystemEvent,
  IOAPIC_EOI: KvmRunEoi,
  HYPERV: KvmRunHyperv,
  X86_RDMSR: KvmRunMsr,
  X86_WRMSR: KvmRunMsr,
  XEN: KvmRunXen,
  NOTIFY: KvmRunNotify,
  MEMORY_FAULT: KvmRunMemoryFault,
} as const;
