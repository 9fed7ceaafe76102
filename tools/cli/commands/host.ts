/** Commands on this host's KVM: what it can do, what is missing for which feature, and its API as a table. */

import { debugAbilities } from '../../../debug/stops/abilities.ts';
import { abilityLines } from '../../../debug/stops/ability-text.ts';
import type { CapabilityName } from '../../../src/abi/capabilities.ts';
import { type IoctlRow, ioctlNumber } from '../../../src/abi/ioctl-row.ts';
import { IOCTLS } from '../../../src/abi/ioctls.ts';
import { hex } from '../../../src/abi/numbers.ts';
import { kvmBackend } from '../../../src/kvm/backend.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { probeHost } from '../../../src/kvm/state/probe.ts';
import type { TscControl } from '../../../src/kvm/state/tsc.ts';
import { namedFeatures } from '../../../src/machine/cpu-model.ts';
import { hostCpuid } from '../../../src/machine/cpuid.ts';
import { type CommandRow, JSON_ARRAY_OPTION, JSON_OPTION } from '../command.ts';
import { columns, print } from '../output.ts';

/** See the file's header. */
export const HOST_COMMANDS: readonly CommandRow[] = [
  {
    name: 'info',
    about: "print what this host's KVM can do, and what is missing",
    options: [['--cpuid', 'print the CPU features that it has for guests instead'], JSON_OPTION],
    help: `Examples:
  vmlapse info
  vmlapse info --cpuid
  vmlapse info --json`,
    run(options: { readonly json?: boolean; readonly cpuid?: boolean }) {
      using kvm = Kvm.open();
      if (options.cpuid) {
        const words = namedFeatures(hostCpuid(kvm));
        return print(options, words, () => featuresText(words));
      }
      const facts = hostFacts(kvm);
      print(options, facts, () => factsText(facts));
    },
  },
  {
    name: 'ioctls',
    about: 'list the KVM API: class, number, argument, since or removed, available here',
    options: [JSON_ARRAY_OPTION],
    help: `Examples:
  vmlapse ioctls
  vmlapse ioctls --json | jq '.[] | select(.class[] == "vcpu") | .name'`,
    run(options: { readonly json?: boolean }) {
      const rows = ioctlTable();
      print(options, rows, () => ioctlsText(rows));
    },
  },
];

/** A capability, what vmlapse does with it, and what to do without it. */
const FEATURES: readonly (readonly [CapabilityName, feature: string, without: string])[] = [
  ['KVM_CAP_USER_MEMORY', 'guest memory', 'nothing runs: Linux 2.6.25 or newer is needed'],
  ['KVM_CAP_IRQCHIP', 'interrupt controllers, --cpus', 'use --no-irqchip, with one vCPU'],
  ['KVM_CAP_PIT2', 'timer interrupts of the PIT', 'use --no-irqchip'],
  ['KVM_CAP_IMMEDIATE_EXIT', 'completing a pending exit', 'checkpoints need Linux 4.13 or newer'],
  ['KVM_CAP_READONLY_MEM', 'ROM images', 'images of format rom cannot be mapped'],
  ['KVM_CAP_EXT_CPUID', 'CPUID of the guest', 'guests see no features'],
  ['KVM_CAP_XSAVE2', 'vector state above 4 KiB', 'KVM_GET_XSAVE serves; fine without AMX'],
  ['KVM_CAP_VCPU_EVENTS', 'events in flight in a checkpoint', 'checkpoints need Linux 2.6.33 or newer'],
  ['KVM_CAP_ADJUST_CLOCK', 'the guest clock in a checkpoint', 'kvmclock guests jump in time'],
  [
    'KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2',
    'fast dirty log',
    'the legacy dirty log serves, with longer pauses; Linux 5.2 or newer has it',
  ],
  ['KVM_CAP_SET_GUEST_DEBUG', 'single stepping', 'breakpoints and stepping do not work'],
  ['KVM_CAP_SYNC_REGS', 'registers with each exit', 'slower register access; Linux 4.17 or newer has it'],
  ['KVM_CAP_TSC_CONTROL', 'a TSC frequency of choice', 'restore on hosts of the same TSC frequency'],
];

function hostFacts(kvm: Kvm) {
  return {
    apiVersion: kvm.getApiVersion(),
    kind: kvmBackend(),
    recommendedVcpus: kvm.checkExtension('KVM_CAP_NR_VCPUS'),
    maxVcpus: kvm.checkExtension('KVM_CAP_MAX_VCPUS'),
    memorySlots: kvm.checkExtension('KVM_CAP_NR_MEMSLOTS'),
    iommu: kvm.checkExtension('KVM_CAP_IOMMU') > 0,
    vcpuMmapSize: kvm.getVcpuMmapSize(),
    msrs: kvm.getMsrIndexList().length + probeHost(kvm).unlistedMsrs.length,
    tsc: probeHost(kvm).tsc,
    debugging: debugAbilities(kvm),
    capabilities: FEATURES.map(([capability, feature, without]) => ({
      capability,
      feature,
      without,
      value: kvm.checkExtension(capability),
    })),
  };
}

const KINDS: Readonly<Record<ReturnType<typeof kvmBackend>, string>> = {
  VMX: 'VMX (Intel hardware virtualization)',
  SVM: 'SVM (AMD hardware virtualization)',
  PVM: 'PVM (software: ring-0 guest code is emulated, ring 3 runs natively)',
  unknown: 'unknown',
};

const TSCS: Readonly<Record<TscControl, string>> = {
  offset: 'goes on from where it was saved',
  write: 'goes on from where it was saved, but runs on through a restore or rollback within a second',
  none: "is the host's: it runs on through restore and rollback, while kvmclock goes on from where it stood",
};

function factsText(facts: ReturnType<typeof hostFacts>): string {
  const rows = facts.capabilities.map(({ capability, value, feature, without }) => [
    capability,
    String(value),
    value > 0 ? feature : `missing: ${feature} — ${without}`,
  ]);
  return [
    columns([
      ['KVM API version', String(facts.apiVersion)],
      ['KVM kind', KINDS[facts.kind]],
      ['vCPUs per guest', `${facts.recommendedVcpus} recommended, ${facts.maxVcpus} at most`],
      ['memory slots', String(facts.memorySlots)],
      ['IOMMU', facts.iommu ? 'yes' : 'no (device assignment is VFIO now)'],
      ['kvm_run area', `${facts.vcpuMmapSize} bytes`],
      ['MSRs to save', String(facts.msrs)],
      ['TSC of guests', TSCS[facts.tsc]],
      ...abilityLines(facts.debugging).map(([what, how]) => [`debugging: ${what}`, how]),
    ]),
    '\n',
    columns(rows),
  ].join('');
}

function featuresText(words: ReturnType<typeof namedFeatures>): string {
  const rows = words.map(({ leaf, index, register, features }) => [
    `${hex(leaf)}.${index}:${register.toUpperCase()}`,
    features.join(' ') || '-',
  ]);
  return columns(rows);
}

function ioctlTable() {
  using kvm = openIfPresent();
  return Object.entries(IOCTLS as Record<string, IoctlRow>).map(([name, row]) => ({
    name,
    class: row.on,
    number: `0x${ioctlNumber(row).toString(16).padStart(8, '0')}`,
    argument: argumentName(row),
    section: row.section,
    here: available(row, kvm),
    doc: row.removed ? `removed in ${row.removed.since}; use ${row.removed.instead}` : row.doc,
  }));
}

function openIfPresent(): Kvm | undefined {
  try {
    return Kvm.open();
  } catch {
    return undefined;
  }
}

function available(row: IoctlRow, kvm: Kvm | undefined): 'yes' | 'no' | 'removed' | 'unknown' {
  if (row.removed) return 'removed';
  if (!kvm) return 'unknown';
  if (!row.capability) return 'yes';
  return kvm.checkExtension(row.capability as CapabilityName) > 0 ? 'yes' : 'no';
}

function argumentName({ arg }: IoctlRow): string {
  if (typeof arg === 'string') return arg === 'none' ? '-' : arg;
  return 'header' in arg ? `${arg.header.name} + n ${arg.entry.name}` : arg.name;
}

function ioctlsText(rows: ReturnType<typeof ioctlTable>): string {
  const head = ['ioctl', 'on', 'number', 'argument', 'api.rst', 'here', ''];
  return columns([
    head,
    ...rows.map((r) => [r.name, r.class.join('/'), r.number, r.argument, r.section, r.here, r.doc]),
  ]);
}
