/** `vmlapse info`: this host's KVM, what matters of it, and what is missing for which feature. */
import type { Command } from 'commander';
import type { CapabilityName } from '../../../src/abi/capabilities.ts';
import { kvmKind } from '../../../src/kvm/kind.ts';
import { Kvm } from '../../../src/kvm/kvm.ts';
import { probeHost } from '../../../src/kvm/state/probe.ts';
import type { TscControl } from '../../../src/kvm/state/tsc.ts';
import { toJson } from '../json.ts';
import { columns } from '../output.ts';
import { forStdout } from '../terminal-text.ts';

const EXAMPLES = `
Examples:
  vmlapse info
  vmlapse info --json`;

/** What vmlapse does with a capability, and what to do when it is not there. */
interface Feature {
  readonly capability: CapabilityName;
  readonly feature: string;
  readonly without: string;
}

const FEATURES: readonly Feature[] = [
  {
    capability: 'KVM_CAP_USER_MEMORY',
    feature: 'guest memory',
    without: 'nothing runs: Linux 2.6.25 or newer is needed',
  },
  {
    capability: 'KVM_CAP_IRQCHIP',
    feature: 'interrupt controllers, --cpus',
    without: 'use --no-irqchip, with one vCPU',
  },
  { capability: 'KVM_CAP_PIT2', feature: 'timer interrupts of the PIT', without: 'use --no-irqchip' },
  {
    capability: 'KVM_CAP_IMMEDIATE_EXIT',
    feature: 'completing a pending exit',
    without: 'checkpoints need Linux 4.13 or newer',
  },
  { capability: 'KVM_CAP_READONLY_MEM', feature: 'ROM images', without: 'images of format rom cannot be mapped' },
  { capability: 'KVM_CAP_EXT_CPUID', feature: 'CPUID of the guest', without: 'guests see no features' },
  {
    capability: 'KVM_CAP_XSAVE2',
    feature: 'vector state above 4 KiB',
    without: 'KVM_GET_XSAVE serves; fine without AMX',
  },
  {
    capability: 'KVM_CAP_VCPU_EVENTS',
    feature: 'events in flight in a checkpoint',
    without: 'checkpoints need Linux 2.6.33 or newer',
  },
  {
    capability: 'KVM_CAP_ADJUST_CLOCK',
    feature: 'the guest clock in a checkpoint',
    without: 'kvmclock guests jump in time',
  },
  {
    capability: 'KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2',
    feature: 'fast dirty log',
    without: 'the legacy dirty log serves, with longer pauses; Linux 5.2 or newer has it',
  },
  {
    capability: 'KVM_CAP_SET_GUEST_DEBUG',
    feature: 'single stepping',
    without: 'breakpoints and stepping do not work',
  },
  {
    capability: 'KVM_CAP_SYNC_REGS',
    feature: 'registers with each exit',
    without: 'slower register access; Linux 4.17 or newer has it',
  },
  {
    capability: 'KVM_CAP_TSC_CONTROL',
    feature: 'a TSC frequency of choice',
    without: 'restore on hosts of the same TSC frequency',
  },
];

/** Adds the command. */
export function addInfo(program: Command): void {
  program
    .command('info')
    .description("say what this host's KVM can do, and what is missing")
    .option('--json', 'print one JSON document instead')
    .addHelpText('after', EXAMPLES)
    .action((options: { json?: boolean }) => {
      using kvm = Kvm.open();
      const facts = gather(kvm);
      process.stdout.write(options.json ? `${toJson(facts)}\n` : forStdout(render(facts)));
    });
}

function gather(kvm: Kvm) {
  return {
    apiVersion: kvm.getApiVersion(),
    kind: kvmKind(),
    recommendedVcpus: kvm.checkExtension('KVM_CAP_NR_VCPUS'),
    maxVcpus: kvm.checkExtension('KVM_CAP_MAX_VCPUS'),
    memorySlots: kvm.checkExtension('KVM_CAP_NR_MEMSLOTS'),
    iommu: kvm.checkExtension('KVM_CAP_IOMMU') > 0,
    vcpuMmapSize: kvm.getVcpuMmapSize(),
    msrs: kvm.getMsrIndexList().length + probeHost(kvm).unlistedMsrs.length,
    tsc: probeHost(kvm).tsc,
    capabilities: FEATURES.map((row) => ({ ...row, value: kvm.checkExtension(row.capability) })),
  };
}

const KINDS: Readonly<Record<ReturnType<typeof kvmKind>, string>> = {
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

function render(facts: ReturnType<typeof gather>): string {
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
    ]),
    '\n',
    columns(rows),
  ].join('');
}
