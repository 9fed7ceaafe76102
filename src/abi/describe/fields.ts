/** What descriptions know about single fields: which are flags, which name a value, which are better read in hex. */

import { CAPABILITIES } from '../capabilities.ts';
import { INTERNAL_ERRORS, IO_DIRECTIONS, MEMORY_FAULT_FLAGS, MSR_EXIT_REASONS, SYSTEM_EVENTS } from '../exits.ts';
import * as flags from '../flags.ts';
import { lapicRegisters } from '../lapic.ts';
import { describeMsr, MSR_FLAGS, msrName } from '../msrs.ts';
import { hex } from '../numbers.ts';
import { decodeRegister, REGISTER_FLAGS } from '../registers.ts';
import { bytesOf, type Struct } from '../struct.ts';
import {
  decodeRedirection,
  KvmDebugregs,
  KvmIoapicState,
  KvmIrqRoutingIrqchip,
  KvmIrqRoutingMsi,
  KvmPicState,
  KvmRegs,
  KvmSregs,
  KvmSregs2,
} from '../structs.ts';
import { isZero, list } from './text.ts';

/** A live record, read by field name. */
export type Fields = Readonly<Record<string, unknown>>;

type FieldText = (value: never, record: Fields) => string;

const bits = (table: flags.FlagTable) => (value: number | bigint) =>
  flags.decodeFlags(table, value).join('|') || hex(value);
const oneOf = (table: Readonly<Record<string, number>>) => (value: number) => flags.nameOf(table, value);

const CAPABILITY_NUMBERS = Object.fromEntries(Object.entries(CAPABILITIES).map(([name, { nr }]) => [name, nr]));

/** The name of a capability number. */
export const capabilityName = oneOf(CAPABILITY_NUMBERS);

const register = (name: string) => (value: bigint) => decodeRegister(name, value)?.join('|') || hex(value);

const registerFields = [KvmRegs, KvmSregs, KvmSregs2, KvmDebugregs].flatMap((layout) =>
  Object.keys(REGISTER_FLAGS)
    .filter((field) => field in layout.fields && field !== 'cr3')
    .map((field): [string, FieldText] => [`${layout.name}.${field}`, register(field)]),
);

/** Fields with a text of their own, by `struct.field`. */
export const FIELD_TEXTS: Readonly<Record<string, FieldText>> = {
  ...Object.fromEntries(registerFields),
  'kvm_xcr.value': (value: bigint, { xcr }) => (xcr === 0 ? register('xcr0')(value) : hex(value)),
  'kvm_sregs2.flags': bits(flags.SREGS2_FLAGS),
  'kvm_memory_region.flags': bits(flags.MEMORY_REGION_FLAGS),
  'kvm_userspace_memory_region.flags': bits(flags.MEMORY_REGION_FLAGS),
  'kvm_userspace_memory_region2.flags': bits(flags.MEMORY_REGION_FLAGS),
  'kvm_dirty_gfn.flags': bits(flags.DIRTY_GFN_FLAGS),
  'kvm_vcpu_events.flags': bits(flags.VCPU_EVENT_FLAGS),
  'kvm_vcpu_events.interrupt.shadow': bits(flags.INTERRUPT_SHADOWS),
  'kvm_clock_data.flags': bits(flags.CLOCK_FLAGS),
  'kvm_clock_data.clock': (value: bigint) => `${value}ns`,
  'kvm_clock_data.realtime': (value: bigint) => `${value}ns`,
  'kvm_guest_debug.control': bits(flags.GUEST_DEBUG_FLAGS),
  'kvm_irqfd.flags': bits(flags.IRQFD_FLAGS),
  'kvm_ioeventfd.flags': bits(flags.IOEVENTFD_FLAGS),
  'kvm_msi.flags': bits(flags.MSI_FLAGS),
  'kvm_pit_state2.flags': bits(flags.PIT_FLAGS),
  'kvm_pit_config.flags': bits(flags.PIT_CONFIG_FLAGS),
  'kvm_msr_filter_range.flags': bits(flags.MSR_FILTER_FLAGS),
  'kvm_msr_filter.flags': oneOf(flags.MSR_FILTER_DEFAULT),
  'kvm_enable_cap.cap': capabilityName,
  'kvm_mp_state.mp_state': oneOf(flags.MP_STATES),
  'kvm_irqchip.chip_id': oneOf(flags.IRQCHIPS),
  'kvm_irq_routing_entry.type': oneOf(flags.IRQ_ROUTING_TYPES),
  'kvm_irq_routing_irqchip.irqchip': oneOf(flags.IRQCHIPS),
  'kvm_run.io.direction': oneOf(IO_DIRECTIONS),
  'kvm_run.internal.suberror': oneOf(INTERNAL_ERRORS),
  'kvm_run.system_event.type': oneOf(SYSTEM_EVENTS),
  'kvm_run.msr.index': msrName,
  'kvm_run.msr.reason': bits(MSR_EXIT_REASONS),
  'kvm_run.memory_fault.flags': bits(MEMORY_FAULT_FLAGS),
};

/** Fields whose zero says something. */
export const SHOWN_WHEN_ZERO: ReadonlySet<string> = new Set([
  ...['slot', 'guest_phys_addr', 'memory_size'].flatMap((field) => [
    `kvm_memory_region.${field}`,
    `kvm_memory_alias.${field}`,
    `kvm_userspace_memory_region.${field}`,
    `kvm_userspace_memory_region2.${field}`,
  ]),
  ...['kvm_dirty_log.slot', 'kvm_clear_dirty_log.slot', 'kvm_clear_dirty_log.first_page', 'kvm_dirty_gfn.offset'],
  ...['kvm_irq_level.irq', 'kvm_irq_level.level', 'kvm_interrupt.irq', 'kvm_irqfd.gsi', 'kvm_ioeventfd.addr'],
  ...['kvm_mp_state.mp_state', 'kvm_irqchip.chip_id', 'kvm_enable_cap.cap', 'kvm_regs.rip', 'kvm_sregs.cr3'],
  ...['kvm_irq_routing_entry.gsi', 'kvm_irq_routing_irqchip.irqchip', 'kvm_irq_routing_irqchip.pin'],
  ...['kvm_translation.linear_address', 'kvm_translation.physical_address', 'kvm_translation.valid'],
  ...['kvm_msrs.nmsrs', 'kvm_msr_list.nmsrs', 'kvm_cpuid.nent', 'kvm_cpuid2.nent', 'kvm_irq_routing.nr', '__u64.value'],
  ...['kvm_run.io.direction', 'kvm_run.io.port', 'kvm_run.mmio.phys_addr', 'kvm_run.mmio.is_write'],
  'kvm_reinject_control.pit_reinject',
]);

/** Fields smaller than 64 bits that are read in hex. */
export const HEX_FIELDS: ReadonlySet<string> = new Set([
  ...['selector', 'limit', 'type', 'fcw', 'fsw', 'mxcsr', 'last_opcode', 'port', 'index', 'base', 'address_lo'],
  ...['address_hi', 'data', 'msr', 'imr', 'irr', 'isr', 'irq_base', 'elcr', 'elcr_mask', 'last_irr', 'error_code'],
]);

/** Which struct lies in a field of raw bytes, where another field tells. */
export const OVERLAYS: Readonly<Record<string, (record: Fields) => Struct | undefined>> = {
  'kvm_irqchip.chip': ({ chip_id }) =>
    chip_id === flags.IRQCHIPS.IOAPIC ? KvmIoapicState : Number(chip_id) < 2 ? KvmPicState : undefined,
  'kvm_irq_routing_entry.u': ({ type }) =>
    ({ [flags.IRQ_ROUTING_TYPES.IRQCHIP]: KvmIrqRoutingIrqchip, [flags.IRQ_ROUTING_TYPES.MSI]: KvmIrqRoutingMsi })[
      Number(type)
    ],
};

/** Structs that are shown in a form of their own. */
export const WHOLE_TEXTS: Readonly<Record<string, (record: Fields) => string>> = {
  kvm_segment: segmentText,
  kvm_msr_entry: ({ index, data }) => `${msrName(index as number)}=${msrText(index as number, data as bigint)}`,
  __u32: ({ index }) => msrName(index as number),
  __u8: ({ value }) => hex(value as number),
  kvm_cpuid_entry: cpuidText,
  kvm_cpuid_entry2: cpuidText,
  kvm_lapic_state: (record) => lapicText(bytesOf(record as never)),
  kvm_ioapic_state: ioapicText,
};

function msrText(index: number, data: bigint): string {
  return index in MSR_FLAGS ? describeMsr(index, data) : hex(data);
}

/** selector:base/limit/access rights; the rights as in the VMCS (SDM volume 3, table 25-2). */
function segmentText(segment: Fields): string {
  const bit = (field: string, at: number) => Number(segment[field]) << at;
  const rights =
    bit('type', 0) | bit('s', 4) | bit('dpl', 5) | bit('present', 7) | bit('avl', 12) | bit('l', 13) | bit('db', 14);
  const { selector, base, limit } = segment as { selector: number; base: bigint; limit: number };
  return `${hex(selector)}:${hex(base)}/${hex(limit)}/${hex(rights | bit('g', 15) | bit('unusable', 16))}`;
}

function cpuidText(entry: Fields): string {
  const leaf = hex(entry.function as number) + (entry.index ? `.${entry.index}` : '');
  const registers = (['eax', 'ebx', 'ecx', 'edx'] as const).map((name) => (entry[name] as number).toString(16));
  return `${leaf}: ${registers.join(' ')}`;
}

function lapicText(state: Uint8Array): string {
  const set = Object.entries(lapicRegisters(state)).filter(([, value]) => value !== 0);
  return list(set.map(([name, value]) => `${name}=${hex(value)}`));
}

function ioapicText(ioapic: Fields): string {
  const pins = Array.from(ioapic.redirtbl as Iterable<bigint>, (entry, pin) => ({ pin, ...decodeRedirection(entry) }));
  const open = pins.filter(({ mask }) => mask === 0);
  const routes = open.map(({ pin, vector, dest_id }) => `${pin}→${hex(vector)}@${dest_id}`);
  return list([
    `base_address=${hex(ioapic.base_address as bigint)}`,
    ...(isZero(ioapic.irr) ? [] : [`irr=${hex(ioapic.irr as number)}`]),
    routes.length > 0 ? `unmasked pins ${routes.join(' ')}` : 'all pins masked',
  ]);
}
