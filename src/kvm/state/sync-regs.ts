/**
 * Handing registers to a vCPU through its kvm_run area instead of an ioctl each (KVM_CAP_SYNC_REGS, KVM API document,
 * section 5): the next KVM_RUN takes general registers, special registers and events, in that order, before it does
 * anything else. On a vCPU this saves three loads of its whole state.
 */
import { SYNC_REGS } from '../../abi/flags.ts';
import { KvmRun, KvmSregs, KvmSregs2, KvmSyncRegs, RUN_SYNC_REGS_OFFSET } from '../../abi/structs.ts';
import type { RunArea } from '../run-area.ts';
import type { VcpuPart, VcpuState } from './vcpu-parts.ts';

/** The parts that can go this way. */
export const SYNC_PARTS: ReadonlySet<VcpuPart> = new Set(['regs', 'sregs', 'sregs2', 'vcpu_events']);

const ALL = SYNC_REGS.REGS | SYNC_REGS.SREGS | SYNC_REGS.EVENTS;

/** Whether KVM_CAP_SYNC_REGS, as answered by KVM_CHECK_EXTENSION, covers all three. */
export const canSync = (capability: number): boolean => (capability & ALL) === ALL;

const RUNNABLE = 0;
const [REGS_AT] = KvmSyncRegs.fields.regs;
const [SREGS_AT] = KvmSyncRegs.fields.sregs;
const [EVENTS_AT] = KvmSyncRegs.fields.events;
const [DIRTY_AT] = KvmRun.fields.kvm_dirty_regs;
/** struct kvm_sregs and kvm_sregs2 agree up to here. */
const [COMMON_BYTES] = KvmSregs.fields.interrupt_bitmap;

/**
 * Puts the parts into the area. False, with nothing done, where the order of the state tables would suffer: when the
 * local APIC's base changes, it must be set before the local APIC is; and a vCPU that waits for INIT does not get as far
 * as taking registers.
 */
export function syncRegs(area: RunArea, parts: VcpuState): boolean {
  const sregs = parts.sregs2 ?? parts.sregs;
  if (!sregs || !parts.regs || !parts.vcpu_events || !parts.mp_state) return false;
  if (parts.mp_state[0] !== RUNNABLE || apicBase(sregs) !== area.view.getBigUint64(APIC_BASE_AT, true)) return false;
  const at = (offset: number) => RUN_SYNC_REGS_OFFSET + offset;
  area.bytes.set(parts.regs, at(REGS_AT));
  area.bytes.set(sregs.subarray(0, COMMON_BYTES), at(SREGS_AT));
  area.bytes.fill(0, at(SREGS_AT + COMMON_BYTES), at(SREGS_AT + KvmSregs.size));
  if (parts.sregs) area.bytes.set(parts.sregs.subarray(COMMON_BYTES), at(SREGS_AT + COMMON_BYTES));
  area.bytes.set(parts.vcpu_events, at(EVENTS_AT));
  area.view.setBigUint64(DIRTY_AT, BigInt(ALL), true);
  return true;
}

const [APIC_BASE_AT] = KvmRun.fields.apic_base;
const [SREGS_APIC_BASE_AT] = KvmSregs2.fields.apic_base;

const apicBase = (sregs: Uint8Array) =>
  new DataView(sregs.buffer, sregs.byteOffset, sregs.length).getBigUint64(SREGS_APIC_BASE_AT, true);
