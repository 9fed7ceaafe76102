/** Per-vCPU state and requests other than plain registers. */
import { type Struct, struct } from '../struct.ts';
import { array, bytes, u8, u16, u32, u64 } from '../types.ts';
import { KvmRegs, KvmSregs } from './registers.ts';

const KvmEventException = struct('kvm_vcpu_events.exception', 8, {
  injected: [0, u8],
  nr: [1, u8],
  has_error_code: [2, u8],
  pending: [3, u8],
  error_code: [4, u32],
});
const KvmEventInterrupt = struct('kvm_vcpu_events.interrupt', 4, {
  injected: [0, u8],
  nr: [1, u8],
  soft: [2, u8],
  shadow: [3, u8],
});
const KvmEventNmi = struct('kvm_vcpu_events.nmi', 4, {
  injected: [0, u8],
  pending: [1, u8],
  masked: [2, u8],
  pad: [3, u8],
});
const KvmEventSmi = struct('kvm_vcpu_events.smi', 4, {
  smm: [0, u8],
  pending: [1, u8],
  smm_inside_nmi: [2, u8],
  latched_init: [3, u8],
});
const KvmEventTripleFault = struct('kvm_vcpu_events.triple_fault', 1, { pending: [0, u8] });

/** Exceptions, interrupts, NMIs and SMIs that are pending or being delivered. `flags`: see VCPU_EVENT_FLAGS. */
export const KvmVcpuEvents = struct('kvm_vcpu_events', 64, {
  exception: [0, KvmEventException],
  interrupt: [8, KvmEventInterrupt],
  nmi: [12, KvmEventNmi],
  sipi_vector: [16, u32],
  flags: [20, u32],
  smi: [24, KvmEventSmi],
  triple_fault: [28, KvmEventTripleFault],
  reserved: [29, bytes(26)],
  exception_has_payload: [55, u8],
  exception_payload: [56, u64],
});

/** Run state of a vCPU: see MP_STATES. */
export const KvmMpState = struct('kvm_mp_state', 4, { mp_state: [0, u32] });

/** The first 1 KiB of the local APIC's register page: register N is the u32 at 16 * N. */
export const KvmLapicState = struct('kvm_lapic_state', 1024, { regs: [0, bytes(1024)] });

/** Guest-linear to guest-physical translation. */
export const KvmTranslation = struct('kvm_translation', 24, {
  linear_address: [0, u64],
  physical_address: [8, u64],
  valid: [16, u8],
  writeable: [17, u8],
  usermode: [18, u8],
  pad: [19, bytes(5)],
});

/** External interrupt vector for a vCPU without in-kernel irqchip. */
export const KvmInterrupt = struct('kvm_interrupt', 4, { irq: [0, u32] });

/** Header of a signal mask; `len` bytes of sigset follow (8 on x86-64: the kernel's own sigset_t). */
export const KvmSignalMask = struct('kvm_signal_mask', 4, { len: [0, u32] });

/** One byte of the sigset behind {@link KvmSignalMask}. */
export const KvmSignalMaskByte = struct('__u8', 1, { value: [0, u8] });

/** Asks for an exit at each access to the task priority register. */
export const KvmTprAccessCtl = struct('kvm_tpr_access_ctl', 40, {
  enabled: [0, u32],
  flags: [4, u32],
  reserved: [8, array(u32, 8)],
});

/** Guest-physical address of the shared task priority word. */
export const KvmVapicAddr = struct('kvm_vapic_addr', 8, { vapic_addr: [0, u64] });

/** A machine check to inject. */
export const KvmX86Mce = struct('kvm_x86_mce', 64, {
  status: [0, u64],
  addr: [8, u64],
  misc: [16, u64],
  mcg_status: [24, u64],
  bank: [32, u8],
  pad1: [33, bytes(7)],
  pad2: [40, array(u64, 3)],
});

/** A breakpoint of the historic KVM_DEBUG_GUEST. */
export const KvmBreakpoint = struct('kvm_breakpoint', 16, { enabled: [0, u32], padding: [4, u32], address: [8, u64] });

/** Argument of the historic KVM_DEBUG_GUEST, replaced by {@link KvmGuestDebug}. */
export const KvmDebugGuest = struct('kvm_debug_guest', 80, {
  enabled: [0, u32],
  pad: [4, u32],
  breakpoints: [8, array(KvmBreakpoint, 4)],
  singlestep: [72, u32],
});

const KvmGuestDebugArch = struct('kvm_guest_debug_arch', 64, { debugreg: [0, array(u64, 8)] });

/** Guest debugging: `control` (see GUEST_DEBUG_FLAGS) and the debug registers to use while it lasts. */
export const KvmGuestDebug = struct('kvm_guest_debug', 72, {
  control: [0, u32],
  pad: [4, u32],
  arch: [8, KvmGuestDebugArch],
});

/** What KVM_EXIT_DEBUG reports. */
export const KvmDebugExitArch = struct('kvm_debug_exit_arch', 32, {
  exception: [0, u32],
  pad: [4, u32],
  pc: [8, u64],
  dr6: [16, u64],
  dr7: [24, u64],
});

/** The register classes that kvm_run can carry in and out (KVM_CAP_SYNC_REGS). */
export const KvmSyncRegs = struct('kvm_sync_regs', 520, {
  regs: [0, KvmRegs],
  sregs: [144, KvmSregs],
  events: [456, KvmVcpuEvents],
});

/** Header of the nested virtualization state; `size` counts header and data. */
export const KvmNestedState = struct('kvm_nested_state', 128, {
  flags: [0, u16],
  format: [2, u16],
  size: [4, u32],
  hdr: [8, bytes(120)],
});

/** A bare 64-bit argument, as KVM_X86_SETUP_MCE takes it. */
export const KvmU64: Struct<{ readonly value: readonly [0, typeof u64] }> = struct('__u64', 8, { value: [0, u64] });
