/**
 * The state of a vCPU as ordered tables: which ioctl reads and writes each part, and why it stands where it does.
 * Saving and restoring walk the tables; `--explain` prints them. What is stored are the raw bytes of the structs.
 *
 * Orders: Documentation/virt/kvm/api.rst on each ioctl, and arch/x86/kvm/x86.c for what each write resets.
 */
import type { IoctlName } from '../../abi/ioctls.ts';
import {
  KvmDebugregs,
  KvmFpu,
  KvmLapicState,
  KvmMpState,
  KvmRegs,
  KvmSregs,
  KvmSregs2,
  KvmVcpuEvents,
  KvmXcrs,
} from '../../abi/structs.ts';
import { msrListBytes } from '../msr-list.ts';
import type { VcpuStateCaps } from './vcpu-state-caps.ts';

/** A part of a vCPU's state. */
export type VcpuPart =
  | 'mp_state'
  | 'regs'
  | 'sregs'
  | 'sregs2'
  | 'fpu'
  | 'xsave'
  | 'xcrs'
  | 'debugregs'
  | 'lapic'
  | 'tsc_khz'
  | 'tsc_offset'
  | 'msrs'
  | 'nested_state'
  | 'pv_kick'
  | 'vcpu_events';

/** Raw bytes of each part that exists on the host it was saved on. */
export type VcpuState = { readonly [Part in VcpuPart]?: Uint8Array };

/** How one part is read and written. */
interface VcpuRow {
  readonly get: (host: VcpuStateCaps) => IoctlName;
  readonly set: IoctlName;
  /** Bytes of the part on this host, the most where that varies; 0 where it does not exist. */
  readonly size: (host: VcpuStateCaps) => number;
  /** A checkpoint without it can be restored: earlier releases did not save it, or its host did not have it. */
  readonly optional?: true;
}

const fixed = (get: IoctlName, set: IoctlName, size: number, when = (_host: VcpuStateCaps) => true): VcpuRow => ({
  get: () => get,
  set,
  size: (host) => (when(host) ? size : 0),
});

const LEGACY_XSAVE_BYTES = 4096;

/**
 * Every part, by name. `tsc_khz` is the frequency as a u32; `tsc_offset` what is added to the host's TSC, a u64;
 * `pv_kick` a u32, 1 for a vCPU with a kick that it has not used (pv-kick.ts); `msrs` a struct kvm_msrs with its entries.
 */
export const VCPU_ROWS: Readonly<Record<VcpuPart, VcpuRow>> = {
  mp_state: fixed('KVM_GET_MP_STATE', 'KVM_SET_MP_STATE', KvmMpState.size),
  regs: fixed('KVM_GET_REGS', 'KVM_SET_REGS', KvmRegs.size),
  sregs: fixed('KVM_GET_SREGS', 'KVM_SET_SREGS', KvmSregs.size, (host) => !host.sregs2),
  sregs2: fixed('KVM_GET_SREGS2', 'KVM_SET_SREGS2', KvmSregs2.size, (host) => host.sregs2),
  fpu: fixed('KVM_GET_FPU', 'KVM_SET_FPU', KvmFpu.size, (host) => host.xsaveBytes === 0),
  xsave: {
    get: (host) => (host.xsaveBytes > LEGACY_XSAVE_BYTES ? 'KVM_GET_XSAVE2' : 'KVM_GET_XSAVE'),
    set: 'KVM_SET_XSAVE',
    size: (host) => host.xsaveBytes,
  },
  xcrs: fixed('KVM_GET_XCRS', 'KVM_SET_XCRS', KvmXcrs.size, (host) => host.xsaveBytes > 0),
  debugregs: fixed('KVM_GET_DEBUGREGS', 'KVM_SET_DEBUGREGS', KvmDebugregs.size),
  lapic: fixed('KVM_GET_LAPIC', 'KVM_SET_LAPIC', KvmLapicState.size, (host) => host.irqchip),
  tsc_khz: fixed('KVM_GET_TSC_KHZ', 'KVM_SET_TSC_KHZ', 4),
  tsc_offset: {
    ...fixed('KVM_GET_DEVICE_ATTR', 'KVM_SET_DEVICE_ATTR', 8, (host) => host.tsc === 'offset'),
    optional: true,
  },
  nested_state: {
    get: () => 'KVM_GET_NESTED_STATE',
    set: 'KVM_SET_NESTED_STATE',
    size: (host) => host.nestedBytes,
    optional: true,
  },
  pv_kick: {
    ...fixed('KVM_GET_MP_STATE', 'KVM_SIGNAL_MSI', 4, ({ kicks }) => kicks),
    optional: true,
  },
  msrs: {
    get: () => 'KVM_GET_MSRS',
    set: 'KVM_SET_MSRS',
    size: (host) => msrListBytes(host.msrs.length),
  },
  vcpu_events: fixed('KVM_GET_VCPU_EVENTS', 'KVM_SET_VCPU_EVENTS', KvmVcpuEvents.size),
};

/** A step of an ordered walk over the parts. */
interface VcpuStep {
  readonly part: VcpuPart;
  readonly reason: string;
}

/** The order in which a vCPU is saved, every pending exit having been completed before. */
export const VCPU_SAVE_ORDER: readonly VcpuStep[] = [
  {
    part: 'mp_state',
    reason: 'first: reading it delivers a waiting INIT or SIPI, which changes registers and segments',
  },
  {
    part: 'pv_kick',
    reason: 'after mp_state, by which it is found; only where there are other vCPUs to kick this one',
  },
  { part: 'fpu', reason: 'any time; only where the host has no XSAVE' },
  { part: 'xsave', reason: 'any time' },
  { part: 'xcrs', reason: 'any time' },
  { part: 'debugregs', reason: 'any time' },
  {
    part: 'lapic',
    reason: 'before the MSRs: both show the timer, and the TSC deadline must not be older than the APIC page',
  },
  { part: 'tsc_khz', reason: 'before the MSRs: the unit of IA32_TSC' },
  { part: 'tsc_offset', reason: 'any time; only where KVM can set it' },
  { part: 'msrs', reason: 'late: IA32_TSC counts on while the rest is read' },
  { part: 'nested_state', reason: 'any time; only where the host keeps it: a guest that runs guests itself' },
  { part: 'regs', reason: 'after mp_state; these and the following together, by one KVM_RUN, where KVM can do that' },
  { part: 'sregs', reason: 'after mp_state; only where the host has no KVM_GET_SREGS2' },
  { part: 'sregs2', reason: 'after mp_state; with the PDPTRs, which PAE paging caches' },
  { part: 'vcpu_events', reason: 'last: what the reads above may still have queued is in it' },
];

/** The order in which a vCPU is restored, CPUID having been set when it was created. */
export const VCPU_RESTORE_ORDER: readonly VcpuStep[] = [
  { part: 'mp_state', reason: 'first: a vCPU that waits for SIPI refuses nothing after it' },
  { part: 'regs', reason: 'before the events: KVM_SET_REGS clears a pending exception' },
  { part: 'sregs', reason: 'only where the host has no KVM_SET_SREGS2' },
  {
    part: 'sregs2',
    reason: 'before the local APIC: it carries its base and enable bit; before the MSRs: EFER belongs to the mode',
  },
  { part: 'xcrs', reason: 'before the XSAVE area: XCR0 says which parts of it are live' },
  { part: 'fpu', reason: 'only where the host has no XSAVE' },
  { part: 'xsave', reason: 'after CPUID and XCR0' },
  { part: 'debugregs', reason: 'any time' },
  { part: 'lapic', reason: 'after sregs; before the MSRs: the TSC deadline needs the timer in deadline mode' },
  { part: 'tsc_khz', reason: 'before the MSRs: IA32_TSC is counted in it' },
  {
    part: 'tsc_offset',
    reason: 'makes the TSC go on from IA32_TSC; before the MSRs: IA32_TSC_DEADLINE is armed against it',
  },
  {
    part: 'msrs',
    reason: 'after CPUID, which decides what exists; IA32_TSC before IA32_TSC_DEADLINE, which goes last',
  },
  {
    part: 'nested_state',
    reason: "after the registers, which are the nested guest's, and EFER, which allows it; left before all of them",
  },
  { part: 'pv_kick', reason: 'after mp_state, which takes it away, and the local APIC, by which it comes' },
  { part: 'vcpu_events', reason: 'last: several of the writes above clear or queue events' },
];
