/** A restore in words: each ioctl in its order, with the reason for its place. */
import { checkArguments, STATE } from '../src/arguments.ts';
import { isPlainNested } from '../src/kvm/state/nested.ts';
import { VCPU_RESTORE_ORDER, VCPU_ROWS } from '../src/kvm/state/vcpu-rows.ts';
import { vmRows } from '../src/kvm/state/vm-state.ts';
import type { MachineState } from './machine-state.ts';

type Step = readonly [ioctl: string, what: string, reason: string];

/** The steps for this state, in order. */
export function restoreSteps(state: MachineState): Step[] {
  checkArguments('restoreSteps', [state, STATE]);
  const { description, vcpus, devices, roms } = state;
  const { memory, cpus, irqchip } = description;
  const steps: Step[] = [
    ['KVM_CREATE_VM', '', 'every other file descriptor comes from it'],
    ['KVM_SET_TSS_ADDR', '', 'before the vCPUs, which need it in real mode on Intel hosts'],
    ['KVM_SET_IDENTITY_MAP_ADDR', '', 'before the first vCPU'],
  ];
  if (irqchip) {
    steps.push(['KVM_CREATE_IRQCHIP', '', 'before the vCPUs: each gets its local APIC when it is created']);
    steps.push(['KVM_CREATE_PIT2', '', 'after the irqchip it interrupts']);
  }
  steps.push([
    'KVM_SET_USER_MEMORY_REGION',
    `${memory} bytes of RAM`,
    'memory before state: loading state may read it',
  ]);
  if (roms.length > 0) steps.push(['KVM_SET_USER_MEMORY_REGION', `${roms.length} read-only`, 'ROMs as they were']);
  steps.push([
    '(copy)',
    'pages of the checkpoint',
    'before the vCPUs: a wall-clock MSR writes guest memory, which is undone',
  ]);
  for (let id = 0; id < cpus; id++) {
    steps.push(['KVM_CREATE_VCPU', `vCPU ${id}`, 'in the thread that will run it']);
    steps.push([
      'KVM_SET_CPUID2',
      `vCPU ${id}`,
      'first of all state: it decides which MSRs and which XSAVE parts exist',
    ]);
  }
  steps.push(['(copy)', `${devices.size} device records`, 'before any vCPU can run']);
  vcpus.forEach((parts, id) => {
    const nested = parts.nested_state;
    if (nested)
      steps.push([VCPU_ROWS.nested_state.set, `vCPU ${id}: no nested guest`, 'what follows would be set in it']);
    for (const { part, reason } of VCPU_RESTORE_ORDER) {
      const bytes = part === 'nested_state' && nested && isPlainNested(nested) ? undefined : parts[part];
      if (bytes) steps.push([VCPU_ROWS[part].set, `vCPU ${id}: ${part}, ${bytes.length} bytes`, reason]);
    }
    steps.push([
      'KVM_KVMCLOCK_CTRL',
      `vCPU ${id}, with kvmclock`,
      'tells the guest that it was stopped, so that its watchdog reports no lockup',
    ]);
  });
  for (const { set, part, reason } of vmRows(irqchip)) steps.push([set, part, reason]);
  return steps;
}

/** The steps as text, one a line. */
export function explainRestore(state: MachineState): string {
  checkArguments('explainRestore', [state, STATE]);
  const steps = restoreSteps(state);
  const width = (column: 0 | 1) => Math.max(...steps.map((step) => step[column].length));
  const [first, second] = [width(0), width(1)];
  return steps.map(([ioctl, what, reason]) => `${ioctl.padEnd(first)}  ${what.padEnd(second)}  ${reason}\n`).join('');
}
