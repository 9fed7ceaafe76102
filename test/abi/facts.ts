/** What the tables of src/abi claim about <linux/kvm.h>, as facts for the generated C program. */
import { CAPABILITIES } from '../../src/abi/capabilities.ts';
import * as exits from '../../src/abi/exits.ts';
import * as flags from '../../src/abi/flags.ts';
import { type IoctlRow, ioctlNumber } from '../../src/abi/ioctl-row.ts';
import { IOCTLS } from '../../src/abi/ioctls.ts';
import type { Struct } from '../../src/abi/struct.ts';
import * as structs from '../../src/abi/structs.ts';
import type { Fact } from './c-program.ts';

export const ROWS = Object.entries(IOCTLS as Record<string, IoctlRow>);

/** Every struct that structs.ts exports, and the nameless ones nested in them. */
export function allStructs(): Struct[] {
  const found = new Map<string, Struct>();
  const visit = (value: unknown) => {
    if (value === null || typeof value !== 'object' || !('fields' in value)) return;
    const layout = value as Struct;
    found.set(layout.name, layout);
    for (const [, type] of Object.values(layout.fields)) visit('element' in type ? type.element : type);
  };
  for (const value of Object.values(structs)) visit(value);
  return [...found.values()];
}

/**
 * Fields that stand for something the header gives no name of its own:
 * the nameless union of kvm_run is reached through its padding member, which fixes its size; the named union around
 * the synchronized registers through its x86 member. All other nameless unions (kvm_dirty_log.dirty_bitmap,
 * kvm_clear_dirty_log.dirty_bitmap, kvm_irq_level.irq, kvm_coalesced_mmio_zone.pio, kvm_irq_routing_msi.devid,
 * kvm_run.system_event.data, kvm_run.emulation_failure.insn_*) need nothing: C finds their members by name.
 */
const C_PATHS: Record<string, string> = { 'kvm_run.exit': 'padding', 'kvm_run.sync': 's.regs' };

/** Structs whose only witness is a macro that no row of the ioctl table names. */
const WITNESSES: Record<string, string> = {
  kvm_breakpoint: 'KVM_DEBUG_GUEST',
  'kvm_run.memory_fault': 'KVM_EXIT_MEMORY_FAULT',
};

function witness(layout: Struct): string | undefined {
  const uses = ([, row]: (typeof ROWS)[number]) =>
    typeof row.arg !== 'string' && ('header' in row.arg ? [row.arg.header, row.arg.entry] : [row.arg]).includes(layout);
  return WITNESSES[layout.name] ?? ROWS.find(uses)?.[0];
}

/** Size, offsets, field sizes and signs of a struct; `as` is its C type where that is not the kernel's own. */
export function structFacts(layout: Struct, as?: string): Fact[] {
  const [outer, member] = layout.name.split('.');
  const base = as ?? (outer!.startsWith('__') ? outer! : `struct ${outer}`);
  const at = (path: string) => `((${base} *)0)->${path}`;
  const macro = as ? undefined : witness(layout);
  const whole: Fact = {
    key: `sizeof:${as ?? layout.name}`,
    expression: member ? `sizeof(${at(member)})` : `sizeof(${base})`,
    expected: BigInt(layout.size),
    macro,
  };
  if (outer!.startsWith('__')) return [whole];
  const start = member ? `- offsetof(${base}, ${member})` : '';
  const fields = Object.entries(layout.fields).flatMap(([field, [offset, type]]): Fact[] => {
    const path = C_PATHS[`${layout.name}.${field}`] ?? (member ? `${member}.${field}` : field);
    const key = `${as ?? layout.name}.${field}`;
    const facts: Fact[] = [
      { key: `offsetof:${key}`, expression: `offsetof(${base}, ${path}) ${start}`, expected: BigInt(offset), macro },
      { key: `fieldsize:${key}`, expression: `sizeof(${at(path)})`, expected: BigInt(type.size), macro },
    ];
    const scalar = /^__([us])\d+$/.exec(type.ctype);
    if (!scalar || 'fields' in type) return facts;
    const negative = `(__typeof__(${at(path)}))-1 < 0`;
    return [...facts, { key: `signed:${key}`, expression: negative, expected: scalar[1] === 's' ? 1n : 0n, macro }];
  });
  return [whole, ...fields];
}

export const ioctlFacts = (): Fact[] =>
  ROWS.map(([name, row]) => ({
    key: `ioctl:${name}`,
    expression: `(unsigned)${name}`,
    expected: BigInt(ioctlNumber(row)),
    macro: name,
  }));

/** Tables of named numbers and the prefix that their names have in the header. */
const CONSTANT_TABLES: readonly (readonly [Readonly<Record<string, number>>, prefix: string])[] = [
  [exits.Exit, 'KVM_EXIT_'],
  [exits.IO_DIRECTIONS, 'KVM_EXIT_IO_'],
  [exits.INTERNAL_ERRORS, 'KVM_INTERNAL_ERROR_'],
  [exits.EMULATION_FAILURE_FLAGS, 'KVM_INTERNAL_ERROR_EMULATION_FLAG_'],
  [exits.SYSTEM_EVENTS, 'KVM_SYSTEM_EVENT_'],
  [exits.MSR_EXIT_REASONS, 'KVM_MSR_EXIT_REASON_'],
  [exits.RUN_FLAGS, 'KVM_RUN_X86_'],
  [exits.MEMORY_FAULT_FLAGS, 'KVM_MEMORY_EXIT_FLAG_'],
  [flags.MEMORY_REGION_FLAGS, 'KVM_MEM_'],
  [flags.DIRTY_LOG_PROTECT_FLAGS, 'KVM_DIRTY_LOG_'],
  [flags.DIRTY_GFN_FLAGS, 'KVM_DIRTY_GFN_F_'],
  [flags.MP_STATES, 'KVM_MP_STATE_'],
  [flags.VCPU_EVENT_FLAGS, 'KVM_VCPUEVENT_VALID_'],
  [flags.INTERRUPT_SHADOWS, 'KVM_X86_SHADOW_INT_'],
  [flags.CLOCK_FLAGS, 'KVM_CLOCK_'],
  [flags.GUEST_DEBUG_FLAGS, 'KVM_GUESTDBG_'],
  [flags.IRQCHIPS, 'KVM_IRQCHIP_'],
  [flags.IRQ_ROUTING_TYPES, 'KVM_IRQ_ROUTING_'],
  [flags.IRQFD_FLAGS, 'KVM_IRQFD_FLAG_'],
  [flags.IOEVENTFD_FLAGS, 'KVM_IOEVENTFD_FLAG_'],
  [flags.MSI_FLAGS, 'KVM_MSI_'],
  [flags.PIT_FLAGS, 'KVM_PIT_FLAGS_'],
  [flags.PIT_CONFIG_FLAGS, 'KVM_PIT_'],
  [flags.SYNC_REGS, 'KVM_SYNC_X86_'],
  [flags.SREGS2_FLAGS, 'KVM_SREGS2_FLAGS_'],
  [
    {
      SIGNIFCANT_INDEX: flags.CPUID_ENTRY_FLAGS.SIGNIFICANT_INDEX,
      STATEFUL_FUNC: flags.CPUID_ENTRY_FLAGS.STATEFUL_FUNC,
      STATE_READ_NEXT: flags.CPUID_ENTRY_FLAGS.STATE_READ_NEXT,
    },
    'KVM_CPUID_FLAG_',
  ],
  [flags.MSR_FILTER_FLAGS, 'KVM_MSR_FILTER_'],
  [flags.MSR_FILTER_DEFAULT, 'KVM_MSR_FILTER_DEFAULT_'],
  [flags.DISABLE_EXITS_FLAGS, 'KVM_X86_DISABLE_EXITS_'],
  [flags.VM_TYPES, 'KVM_X86_'],
  [flags.QUIRKS, 'KVM_X86_QUIRK_'],
  [flags.STATS_TYPE, 'KVM_STATS_TYPE_'],
  [flags.STATS_UNIT, 'KVM_STATS_UNIT_'],
  [flags.STATS_BASE, 'KVM_STATS_BASE_'],
  [
    { TYPE_MASK: flags.STATS_MASKS.TYPE, UNIT_MASK: flags.STATS_MASKS.UNIT, BASE_MASK: flags.STATS_MASKS.BASE },
    'KVM_STATS_',
  ],
  [
    {
      DIRTY_LOG_PAGE_OFFSET: flags.DIRTY_LOG_PAGE_OFFSET,
      PIO_PAGE_OFFSET: flags.PIO_PAGE_OFFSET,
      COALESCED_MMIO_PAGE_OFFSET: flags.COALESCED_MMIO_PAGE_OFFSET,
      VCPU_TSC_CTRL: flags.VCPU_TSC_CTRL,
      VCPU_TSC_OFFSET: flags.VCPU_TSC_OFFSET,
    },
    'KVM_',
  ],
];

export const constantFacts = (): Fact[] => [
  ...Object.entries(CAPABILITIES).map(([name, { nr }]) => macroFact(name, nr)),
  ...CONSTANT_TABLES.flatMap(([table, prefix]) =>
    Object.entries(table).map(([name, value]) => macroFact(prefix + name, value)),
  ),
];

function macroFact(macro: string, value: number): Fact {
  return { key: `macro:${macro}`, expression: macro, expected: BigInt(value), macro };
}
