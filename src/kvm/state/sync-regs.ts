/**
 * Registers through the kvm_run area instead of an ioctl each (KVM_CAP_SYNC_REGS, KVM API document, section 5). The next
 * KVM_RUN takes general registers, special registers and events, in that order, before it does anything else; and one
 * that is asked to leaves them there at its end. Each ioctl on a vCPU loads its whole state anew: this saves two or three.
 */
import { ALL_SYNC_REGS, MP_STATES } from '../../abi/flags.ts';
import {
  KvmRegs,
  KvmRun,
  KvmSregs,
  KvmSregs2,
  KvmSyncRegs,
  KvmVcpuEvents,
  RUN_SYNC_REGS_OFFSET,
} from '../../abi/structs.ts';
import type { RunArea } from '../run-area.ts';
import type { Vcpu } from '../vcpu.ts';
import { isPlainNested } from './nested.ts';
import type { VcpuPart, VcpuState } from './vcpu-rows.ts';

/** The parts that can go this way, last of all in both directions: the events come after what may queue some. */
export const SYNC_PARTS: ReadonlySet<VcpuPart> = new Set(['regs', 'sregs', 'sregs2', 'vcpu_events']);

const [REGS_AT] = KvmSyncRegs.fields.regs;
const [SREGS_AT] = KvmSyncRegs.fields.sregs;
const [EVENTS_AT] = KvmSyncRegs.fields.events;
const [DIRTY_AT] = KvmRun.fields.kvm_dirty_regs;
const [VALID_AT] = KvmRun.fields.kvm_valid_regs;
/** struct kvm_sregs and kvm_sregs2 agree up to here. */
const [COMMON_BYTES] = KvmSregs.fields.interrupt_bitmap;

/**
 * Puts the parts into the area. False, with nothing done, where the order of the state tables would suffer: when the
 * local APIC's base changes, it must be set before the local APIC is; a nested guest is entered with its registers in
 * place; and a vCPU that waits for INIT does not get as far as taking registers.
 */
export function syncRegs(area: RunArea, parts: VcpuState): boolean {
  const sregs = parts.sregs2 ?? parts.sregs;
  if (parts.nested_state && !isPlainNested(parts.nested_state)) return false;
  if (!sregs || !parts.regs || !parts.vcpu_events || !parts.mp_state) return false;
  if (parts.mp_state[0] !== MP_STATES.RUNNABLE || apicBase(sregs) !== area.view.getBigUint64(APIC_BASE_AT, true))
    return false;
  const at = (offset: number) => RUN_SYNC_REGS_OFFSET + offset;
  area.bytes.set(parts.regs, at(REGS_AT));
  area.bytes.set(sregs.subarray(0, COMMON_BYTES), at(SREGS_AT));
  area.bytes.fill(0, at(SREGS_AT + COMMON_BYTES), at(SREGS_AT + KvmSregs.size));
  if (parts.sregs) area.bytes.set(parts.sregs.subarray(COMMON_BYTES), at(SREGS_AT + COMMON_BYTES));
  area.bytes.set(parts.vcpu_events, at(EVENTS_AT));
  area.view.setBigUint64(DIRTY_AT, BigInt(ALL_SYNC_REGS), true);
  return true;
}

/**
 * What fills {@link SYNC_PARTS} by one KVM_RUN that runs no guest code, again and again; nothing may be pending. It
 * answers false, with nothing filled, where the guest's paging caches PDPTRs, which only KVM_GET_SREGS2 tells.
 */
export function syncRegsTaker(vcpu: Vcpu, parts: VcpuState): () => boolean {
  const { area } = vcpu;
  const part = (offset: number, bytes: number) => area.bytes.subarray(RUN_SYNC_REGS_OFFSET + offset).subarray(0, bytes);
  const [regs, events] = [part(REGS_AT, KvmRegs.size), part(EVENTS_AT, KvmVcpuEvents.size)];
  const [sregs, common] = [part(SREGS_AT, KvmSregs.size), part(SREGS_AT, COMMON_BYTES)];
  return () => {
    area.bytes[VALID_AT] = ALL_SYNC_REGS;
    area.immediateExit = true;
    vcpu.run();
    area.immediateExit = false;
    area.bytes[VALID_AT] = 0;
    if (parts.sregs2 && hasPdptrs(sregs)) return false;
    parts.regs!.set(regs);
    parts.sregs?.set(sregs);
    parts.sregs2?.fill(0).set(common);
    parts.vcpu_events!.set(events);
    return true;
  };
}

const isSet = (bytes: Uint8Array, offset: number, bit: number) =>
  ((bytes[offset + (bit >> 3)]! >> (bit & 7)) & 1) === 1;

/** PAE paging without long mode (SDM vol. 3, 5.4.1): CR0.PG and CR4.PAE, not EFER.LMA. */
const hasPdptrs = (sregs: Uint8Array): boolean =>
  isSet(sregs, KvmSregs.fields.cr0[0], 31) &&
  isSet(sregs, KvmSregs.fields.cr4[0], 5) &&
  !isSet(sregs, KvmSregs.fields.efer[0], 10);

const [APIC_BASE_AT] = KvmRun.fields.apic_base;
const [SREGS_APIC_BASE_AT] = KvmSregs2.fields.apic_base;

const apicBase = (sregs: Uint8Array) =>
  new DataView(sregs.buffer, sregs.byteOffset, sregs.length).getBigUint64(SREGS_APIC_BASE_AT, true);
