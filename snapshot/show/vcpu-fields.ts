/** The parts of a vCPU's state as fields. */
import { MP_STATES, VCPU_EVENT_FLAGS } from '../../src/abi/flags.ts';
import { lapicRegisters } from '../../src/abi/lapic.ts';
import { describeMsr, msrName } from '../../src/abi/msrs.ts';
import { APIC_BASE_ADDRESS_MASK, CR3_BASE_MASK, decodeRegister, REGISTER_FLAGS } from '../../src/abi/registers.ts';
import {
  KvmDebugregs,
  KvmDtable,
  KvmFpu,
  KvmMpState,
  KvmMsrEntry,
  KvmMsrs,
  KvmNestedState,
  KvmRegs,
  KvmSegment,
  KvmSregs,
  KvmSregs2,
  KvmVcpuEvents,
  KvmXcr,
  KvmXcrs,
} from '../../src/abi/structs.ts';
import type { VcpuPart } from '../../src/kvm/state/vcpu-rows.ts';
import { field, flagsOf, integer, type Meanings, named, type StateField, structFields } from './field.ts';
import { xsaveFields } from './xsave.ts';

/** What the flag registers of the structs say. */
const REGISTER_MEANINGS: Meanings = Object.fromEntries(
  Object.keys(REGISTER_FLAGS).map((name) => [name, (value: bigint) => flagNames(name, value)]),
);

/** Some registers hold an address besides their flags; it is in the value already. */
const ADDRESS_BITS: Readonly<Record<string, bigint>> = { cr3: CR3_BASE_MASK, apic_base: APIC_BASE_ADDRESS_MASK };

const flagNames = (name: string, value: bigint) =>
  decodeRegister(name, value & ~(ADDRESS_BITS[name] ?? 0n))?.join('|') ?? '';

const SEGMENTS = ['cs', 'ds', 'es', 'fs', 'gs', 'ss', 'tr', 'ldt'] as const;
const TABLES = ['gdt', 'idt'] as const;
const CONTROL = ['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer', 'apic_base'] as const;

/** Descriptor types: of code and data by the type's bits, of the system segments that a vCPU can hold by number. */
const SYSTEM_TYPES: Readonly<Record<number, string>> = {
  1: 'TSS16',
  2: 'LDT',
  3: 'TSS16 busy',
  9: 'TSS',
  11: 'TSS busy',
};

/** "code execute/read, dpl 0, 64-bit" (SDM volume 3, 3.4.5.1). */
export function segmentMeaning(bytes: Uint8Array): string {
  const { type, present, dpl, db, s, l, g, unusable } = KvmSegment.over(bytes);
  if (unusable || !present) return 'unusable';
  if (!s) return SYSTEM_TYPES[type] ?? `system type ${type}`;
  const kind =
    type & 8
      ? `code execute${type & 2 ? '/read' : ''}${type & 4 ? ' conforming' : ''}`
      : `data read${type & 2 ? '/write' : ''}${type & 4 ? ' expand-down' : ''}`;
  const width = l ? '64-bit' : db ? '32-bit' : '16-bit';
  return `${kind}, dpl ${dpl}, ${width}${g ? ', limit in pages' : ''}`;
}

/** A segment as four fields; the access byte and flags are packed as in a descriptor (type, S, DPL, P, AVL, L, D, G). */
function segmentFields(name: string, bytes: Uint8Array): StateField[] {
  const { selector, base, limit, type, s, dpl, present, avl, l, db, g } = KvmSegment.over(bytes);
  const access = type | (s << 4) | (dpl << 5) | (present << 7) | (avl << 12) | (l << 13) | (db << 14) | (g << 15);
  return [
    field(`${name}.selector`, selector, 2),
    field(`${name}.base`, base, 8),
    field(`${name}.limit`, limit, 4),
    field(`${name}.access`, access, 2, segmentMeaning(bytes)),
  ];
}

function sregsFields(layout: typeof KvmSregs | typeof KvmSregs2, rest: readonly string[], bytes: Uint8Array) {
  const all = new Map(structFields(layout, bytes, REGISTER_MEANINGS).map((f) => [f.name, f]));
  const part = (name: (typeof SEGMENTS | typeof TABLES)[number], size: number) => {
    const [offset] = layout.fields[name];
    return bytes.subarray(offset, offset + size);
  };
  return [
    ...CONTROL.map((name) => all.get(name)!),
    ...SEGMENTS.flatMap((name) => segmentFields(name, part(name, KvmSegment.size))),
    ...TABLES.flatMap((name) => structFields(KvmDtable, part(name, KvmDtable.size), {}, `${name}.`)),
    ...rest.map((name) => all.get(name)!),
  ];
}

function msrFields(bytes: Uint8Array): StateField[] {
  const { nmsrs } = KvmMsrs.over(bytes);
  if (KvmMsrs.size + nmsrs * KvmMsrEntry.size > bytes.length) throw new RangeError(`${nmsrs} MSRs`);
  return Array.from({ length: nmsrs }, (_, i) => {
    const { index, data } = KvmMsrEntry.over(bytes, KvmMsrs.size + i * KvmMsrEntry.size);
    return field(msrName(index), data, 8, / \((.*)\)$/.exec(describeMsr(index, data))?.[1]);
  });
}

function xcrFields(bytes: Uint8Array): StateField[] {
  const { nr_xcrs } = KvmXcrs.over(bytes);
  return Array.from({ length: Math.min(nr_xcrs, 16) }, (_, i) => {
    const { xcr, value } = KvmXcr.over(bytes, KvmXcrs.fields.xcrs[0] + i * KvmXcr.size);
    const name = `xcr${xcr}`;
    return field(name, value, 8, flagNames(name, value));
  });
}

function khzFields(bytes: Uint8Array): StateField[] {
  const khz = integer(bytes.subarray(0, 4));
  return [field('khz', khz, 4, `${Number(khz) / 1e6} GHz`)];
}

/** The flags say which of the other fields count (KVM_VCPUEVENT_VALID_*), not what is pending. */
const EVENT_MEANINGS: Meanings = {
  flags: (value) => (value === 0n ? '' : `valid: ${flagsOf(VCPU_EVENT_FLAGS, value).toLowerCase()}`),
};
const quads = (name: string) => Array.from({ length: 4 }, (_, i) => `${name}${i}`);

/** How each part is taken apart, and what it is called. They throw RangeError for bytes that are too few. */
export const VCPU_FIELDS: Readonly<
  Record<VcpuPart, { readonly title: string; readonly fields: (bytes: Uint8Array) => StateField[] }>
> = {
  mp_state: {
    title: 'run state',
    fields: (bytes) => structFields(KvmMpState, bytes, { mp_state: named(MP_STATES) }),
  },
  regs: { title: 'registers', fields: (bytes) => structFields(KvmRegs, bytes, REGISTER_MEANINGS) },
  sregs: {
    title: 'control registers and segments',
    fields: (bytes) => sregsFields(KvmSregs, quads('interrupt_bitmap'), bytes),
  },
  sregs2: {
    title: 'control registers and segments',
    fields: (bytes) => sregsFields(KvmSregs2, ['flags', ...quads('pdptrs')], bytes),
  },
  fpu: { title: 'floating point', fields: (bytes) => structFields(KvmFpu, bytes) },
  xsave: { title: 'floating point and vectors', fields: xsaveFields },
  xcrs: { title: 'extended control registers', fields: xcrFields },
  debugregs: {
    title: 'debug registers',
    fields: (bytes) => structFields(KvmDebugregs, bytes, REGISTER_MEANINGS),
  },
  lapic: {
    title: 'local APIC',
    fields: (bytes) => Object.entries(lapicRegisters(bytes)).map(([name, value]) => field(name, value, 4)),
  },
  tsc_khz: { title: 'TSC frequency', fields: khzFields },
  pv_kick: { title: 'kick not used yet', fields: (bytes) => [field('kicked', integer(bytes.subarray(0, 4)), 4)] },
  tsc_offset: {
    title: 'TSC offset',
    fields: (bytes) => [field('offset', BigInt.asIntN(64, integer(bytes.subarray(0, 8))), 8)],
  },
  nested_state: { title: 'nested virtualization', fields: (bytes) => structFields(KvmNestedState, bytes) },
  msrs: { title: 'model-specific registers', fields: msrFields },
  vcpu_events: { title: 'pending events', fields: (bytes) => structFields(KvmVcpuEvents, bytes, EVENT_MEANINGS) },
};
