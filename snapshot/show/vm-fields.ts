/** The VM's own state as fields: clock, timer and interrupt controllers in the kernel. */
import { CLOCK_FLAGS, PIT_FLAGS } from '../../src/abi/flags.ts';
import {
  decodeRedirection,
  KvmClockData,
  KvmIoapicState,
  KvmIrqchip,
  KvmPicState,
  KvmPitState2,
} from '../../src/abi/structs.ts';
import type { VmPart } from '../../src/kvm/state/vm-state.ts';
import { field, flagsOf, type Meanings, type StateField, structFields } from './field.ts';

const DELIVERY_MODES: Readonly<Record<number, string>> = {
  0: 'fixed',
  1: 'lowest priority',
  2: 'SMI',
  4: 'NMI',
  5: 'INIT',
  7: 'ExtINT',
};

/** A redirection entry in words (82093AA data sheet, 3.2.4). */
export function redirectionMeaning(bits: bigint): string {
  const r = decodeRedirection(bits);
  const state = [r.mask && 'masked', r.delivery_status && 'pending', r.remote_irr && 'in service'].filter(Boolean);
  return [
    `vector 0x${r.vector.toString(16)}`,
    DELIVERY_MODES[r.delivery_mode] ?? `delivery mode ${r.delivery_mode}`,
    r.trig_mode ? 'level' : 'edge',
    r.polarity ? 'active low' : 'active high',
    `${r.dest_mode ? 'logical' : 'physical'} destination ${r.dest_id}`,
    ...state,
  ].join(', ');
}

/** Clock and realtime are in nanoseconds: since the machine's start, and since the epoch. */
const CLOCK_MEANINGS: Meanings = {
  clock: (value) => `${Number(value / 1000n) / 1e6} s`,
  realtime: (value) => new Date(Number((value / 1_000_000n) % MAX_DATE_MS)).toISOString(),
  flags: (value) => flagsOf(CLOCK_FLAGS, value),
};

/** The last millisecond that a Date can hold. */
const MAX_DATE_MS = 8_640_000_000_000_000n;

const chip = (bytes: Uint8Array) => KvmIrqchip.over(bytes).chip;

function ioapicFields(bytes: Uint8Array): StateField[] {
  const state = KvmIoapicState.over(chip(bytes));
  return [
    field('base_address', state.base_address, 8),
    field('ioregsel', state.ioregsel, 4),
    field('id', state.id, 4),
    field('irr', state.irr, 4),
    ...Array.from(state.redirtbl, (bits, pin) => field(`pin${pin}`, bits, 8, redirectionMeaning(bits))),
  ];
}

const picFields = (bytes: Uint8Array) => structFields(KvmPicState, chip(bytes));

/** How each part is taken apart, and what it is called. They throw RangeError for bytes that are too few. */
export const VM_FIELDS: Readonly<
  Record<VmPart, { readonly title: string; readonly fields: (bytes: Uint8Array) => StateField[] }>
> = {
  clock: {
    title: 'clock',
    fields: (bytes) => structFields(KvmClockData, bytes, CLOCK_MEANINGS),
  },
  pit2: {
    title: 'timer (8254)',
    fields: (bytes) => structFields(KvmPitState2, bytes, { flags: (value) => flagsOf(PIT_FLAGS, value) }),
  },
  pic_master: { title: 'interrupt controller (8259, master)', fields: picFields },
  pic_slave: { title: 'interrupt controller (8259, slave)', fields: picFields },
  ioapic: { title: 'I/O APIC', fields: ioapicFields },
};
