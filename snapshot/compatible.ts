/** Whether a checkpoint can be restored on this host; if not, all reasons. */

import { type CpuidWord, FEATURE_WORDS } from '../src/abi/cpu-features.ts';
import { msrName } from '../src/abi/msrs.ts';
import { hex } from '../src/abi/numbers.ts';
import { CR4, EFER } from '../src/abi/registers.ts';
import { checkArguments, MACHINE, STATE } from '../src/arguments.ts';
import { CheckpointError } from '../src/errors.ts';
import { kvmBackend } from '../src/kvm/backend.ts';
import { type CpuidLeaf, readCpuidBytes } from '../src/kvm/cpuid.ts';
import { readMsrList } from '../src/kvm/msr-list.ts';
import { isPlainNested } from '../src/kvm/state/nested.ts';
import { VCPU_ROWS, type VcpuPart } from '../src/kvm/state/vcpu-rows.ts';
import { vcpuStateCaps } from '../src/kvm/state/vcpu-state-caps.ts';
import { vmRows } from '../src/kvm/state/vm-state.ts';
import type { DiskDescription } from '../src/machine/disks.ts';
import type { Machine } from '../src/machine/machine.ts';
import type { MachineConfig } from '../src/machine/machine-config.ts';
import type { MachineState } from './machine-state.ts';
import { sregsOf } from './page-tables.ts';

/** A difference between the host of a checkpoint and this one. `fatal`: --force does not help. */
export interface HostDifference {
  readonly what: string;
  readonly fatal: boolean;
}

/** All differences, for a machine created from the state on this host. Empty: it can be restored. */
export function hostDifferences(state: MachineState, machine: Machine): HostDifference[] {
  checkArguments('hostDifferences', [state, STATE], [machine, MACHINE]);
  return [
    ...kindDifferences(state),
    ...cpuidDifferences(state, machine),
    ...partDifferences(state, machine),
    ...vmDifferences(state),
    ...deviceDifferences(state, machine),
  ];
}

function vmDifferences({ vm, description }: MachineState): HostDifference[] {
  const missing = vmRows(description.irqchip).filter(({ part }) => !vm[part]);
  return missing.map(({ part }) => ({ what: `it has no state of ${part}`, fatal: true }));
}

/** Throws CheckpointError INCOMPATIBLE listing what differs; with `force`, only for fatal differences. */
export function checkCompatible(state: MachineState, machine: Machine, force: boolean): void {
  const found = hostDifferences(state, machine).filter(({ fatal }) => fatal || !force);
  if (found.length === 0) return;
  const list = found.map(({ what }) => `\n  - ${what}`).join('');
  const cure = found.some(({ fatal }) => fatal)
    ? 'restore on a host like the one it was taken on'
    : 'try --force, at your own risk';
  throw new CheckpointError('INCOMPATIBLE', `the checkpoint does not fit this host:${list}\n${cure}`, {
    differences: found.map(({ what }) => what),
  });
}

/** What a checkpoint does not hold although its guest may have used it, a sentence each. */
export function stateNotes({ vcpus }: MachineState): string[] {
  return vcpus.flatMap((parts, id) => {
    const { efer = 0n, cr4 = 0n } = sregsOf(parts) ?? {};
    const bit = efer & EFER.SVME ? 'EFER.SVME' : cr4 & CR4.VMXE ? 'CR4.VMXE' : undefined;
    if (bit === undefined || parts.nested_state) return [];
    return [`vCPU ${id} has ${bit} set and the checkpoint has no nested state: a guest that it ran does not come back`];
  });
}

/** Throws CheckpointError INCOMPATIBLE where a state cannot be put into this machine, since it is of another shape. */
export function checkSameMachine({ description }: MachineState, machine: Machine): void {
  const shape = ({ cpus, memory, irqchip, userChips = false, exitPort = 0 }: MachineConfig) =>
    `${cpus} vCPU${cpus === 1 ? '' : 's'}, ${memory / 2 ** 20} MiB, ${irqchip ? 'with' : 'without'} irqchip${userChips ? ', with chips in user space' : ''}${
      exitPort === 0 ? '' : `, exit port ${hex(exitPort)}`
    }`;
  const [theirs, ours] = [shape(description), shape(machine.config)];
  if (theirs === ours) {
    checkSameDisks(description.disks ?? [], machine);
    return;
  }
  throw new CheckpointError(
    'INCOMPATIBLE',
    `the checkpoint is of another machine (${theirs}; this one has ${ours}); bring it back with \`vmlapse restore\``,
  );
}

function checkSameDisks(theirs: readonly DiskDescription[], { disks }: Machine): void {
  const ours = theirs.length === 0 && disks.list.length === 0 ? [] : disks.describe();
  const same = ({ bytes, sha256, readOnly }: DiskDescription) => `${bytes} ${sha256} ${readOnly}`;
  if (ours.length === theirs.length && ours.every((disk, i) => same(disk) === same(theirs[i]!))) return;
  throw new CheckpointError(
    'INCOMPATIBLE',
    'the checkpoint is of a machine with other disks, or with other images under them; bring it back with `vmlapse restore`',
  );
}

function kindDifferences({ description }: MachineState): HostDifference[] {
  const here = kvmBackend();
  const there = description.host.kvm;
  return here === there ? [] : [{ what: `it was taken on KVM of the kind ${there}, this is ${here}`, fatal: false }];
}

/** In registers that are sets of features: what the checkpoint has, this host must have. */
function cpuidDifferences({ cpuid }: MachineState, machine: Machine): HostDifference[] {
  const here = machine.kvm.getSupportedCpuid();
  const there = readCpuidBytes(cpuid);
  return FEATURE_WORDS.flatMap((word) => {
    const { leaf, index, register } = word;
    const missing = wordAt(there, word) & ~wordAt(here, word);
    if (missing === 0) return [];
    const bits = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (missing >>> bit) & 1);
    const where = `CPUID 0x${leaf.toString(16)}.${index}:${register.toUpperCase()}`;
    return [{ what: `this host lacks ${where} bits ${bits.join(', ')}`, fatal: false }];
  });
}

const wordAt = (leaves: readonly CpuidLeaf[], { leaf, index, register }: CpuidWord) =>
  leaves.find((l) => l.function === leaf && l.index === index)?.[register] ?? 0;

function partDifferences(state: MachineState, machine: Machine): HostDifference[] {
  const host = vcpuStateCaps(machine);
  return state.vcpus.flatMap((parts, id) => {
    const found: HostDifference[] = [];
    for (const part of Object.keys(VCPU_ROWS) as VcpuPart[]) {
      const { size, optional } = VCPU_ROWS[part];
      if (size(host) > 0 && !parts[part] && !optional)
        found.push({ what: `vCPU ${id} has no ${part}, which this host wants`, fatal: true });
    }
    for (const [part, bytes] of Object.entries(parts) as [VcpuPart, Uint8Array][]) {
      const size = VCPU_ROWS[part].size(host);
      if (part === 'msrs') {
        const missing = readMsrList(bytes).filter(({ index, value }) => value !== 0n && !host.msrs.includes(index));
        if (missing.length > 0) {
          found.push({
            what: `vCPU ${id} uses MSRs this host does not save: ${missing.map((m) => msrName(m.index)).join(', ')}`,
            fatal: false,
          });
        }
      } else if (size === 0 && !isDispensable(part, bytes))
        found.push({ what: `vCPU ${id}: this host has no place for its ${part}`, fatal: true });
      else if (size > 0 && size < bytes.length)
        found.push({ what: `vCPU ${id}: ${part} has ${bytes.length} bytes, here ${size}`, fatal: true });
    }
    return found;
  });
}

/** Parts that may be left out on a host that does not have them; without tsc_offset the TSC is set less exactly. */
const isDispensable = (part: VcpuPart, bytes: Uint8Array) =>
  part === 'tsc_offset' ||
  (part === 'nested_state' && isPlainNested(bytes)) ||
  (part === 'pv_kick' && bytes.every((byte) => byte === 0));

function deviceDifferences({ devices }: MachineState, machine: Machine): HostDifference[] {
  const sizes = new Map(machine.devices.map(({ name, stateBytes }) => [name, stateBytes]));
  const rare = new Set(machine.devices.filter((spec) => spec.rare).map(({ name }) => name));
  const unknown = [...devices].filter(([name, bytes]) => sizes.get(name) !== bytes.length);
  const missing = [...sizes.keys()].filter((name) => !devices.has(name) && !rare.has(name));
  return [
    ...unknown.map(([name]) => ({ what: `device ${name} is unknown here, or of another version`, fatal: true })),
    ...missing.map((name) => ({ what: `it has no state of device ${name}`, fatal: true })),
  ];
}
