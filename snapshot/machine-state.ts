/**
 * Everything a machine is besides its RAM, as bytes: each vCPU's parts, the VM's parts, each device's record, ROMs and
 * CPUID. In a checkpoint each is a named blob: "vcpu/0/regs", "vm/clock", "device/com1", "rom/0xffff0000".
 */
import { CONFIG, checkArguments } from '../src/arguments.ts';
import { upgradeRecords } from '../src/devices/devices.ts';
import { readCpuidBytes } from '../src/kvm/cpuid.ts';
import { VCPU_ROWS, type VcpuPart } from '../src/kvm/state/vcpu-rows.ts';
import type { VcpuState } from '../src/kvm/state/vcpu-state.ts';
import { VM_ROWS, type VmState } from '../src/kvm/state/vm-state.ts';
import type { MachineConfig } from '../src/machine/machine-config.ts';
import { describedMachine, invalid, type MachineDescription, STATE_VERSION } from './machine-description.ts';
import type { CheckpointConfig, Json } from './store/format/documents.ts';

/** The state besides RAM. Bytes are copies. */
export interface MachineState {
  readonly description: MachineDescription;
  readonly vcpus: readonly VcpuState[];
  readonly vm: VmState;
  readonly devices: ReadonlyMap<string, Uint8Array>;
  readonly roms: readonly { readonly gpa: number; readonly bytes: Uint8Array }[];
  /** A struct kvm_cpuid2: the leaves every vCPU's were built from. */
  readonly cpuid: Uint8Array;
  /** Interrupt lines raised on a machine without irqchip. */
  readonly lines: number;
}

/** A u32, 0 where it was left out. */
function wordOf(bytes: Uint8Array = new Uint8Array(4)): number {
  if (bytes.length !== 4) throw invalid(`its interrupt lines have ${bytes.length} bytes, not 4`);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** The machine to create for a state; ROMs are added by the caller. */
export function machineConfig({ description, cpuid }: MachineState): MachineConfig {
  const { memory, cpus, irqchip, userChips = false, exitPort = 0, disks = [], rng = false } = description;
  const files = disks.map(({ path, readOnly }) => ({ path, readOnly }));
  return { memory, cpus, irqchip, userChips, exitPort, cpuid: readCpuidBytes(cpuid), disks: files, rng };
}

/** The state as a checkpoint's config. */
export function encodeState(state: MachineState): CheckpointConfig {
  const blobs: Record<string, Uint8Array> = { 'machine/cpuid': state.cpuid };
  if (state.lines !== 0) blobs['machine/lines'] = new Uint8Array(new Uint32Array([state.lines]).buffer);
  state.vcpus.forEach((parts, id) => {
    for (const [part, bytes] of Object.entries(parts)) blobs[`vcpu/${id}/${part}`] = bytes;
  });
  for (const [part, bytes] of Object.entries(state.vm)) blobs[`vm/${part}`] = bytes;
  for (const [name, bytes] of state.devices) blobs[`device/${name}`] = bytes;
  for (const { gpa, bytes } of state.roms) blobs[`rom/0x${gpa.toString(16)}`] = bytes;
  return { version: STATE_VERSION, machine: state.description as unknown as Json, state: blobs };
}

/** The state in a checkpoint's config. Throws CheckpointError for a config that describes no machine. */
export function decodeState(config: CheckpointConfig): MachineState {
  checkArguments('decodeState', [config, CONFIG]);
  const description = describedMachine(config);
  const blobs = Object.entries(config.state);
  const odd = blobs.find(([name]) => !PART_NAME.test(name));
  if (odd) throw invalid(`${JSON.stringify(odd[0])} names no part of a machine`);
  const under = (prefix: string) =>
    blobs.filter(([name]) => name.startsWith(prefix)).map(([name, b]) => [name.slice(prefix.length), b] as const);
  const cpuid = config.state['machine/cpuid'];
  if (!cpuid) throw invalid('it has no CPUID');
  const byVcpu = new Map<string, (readonly [string, Uint8Array])[]>();
  for (const [name, bytes] of under('vcpu/')) {
    const [id, part] = name.split('/', 2) as [string, string | undefined];
    if (part === undefined) continue;
    const parts = byVcpu.get(id) ?? [];
    byVcpu.set(id, parts);
    parts.push([part, bytes]);
  }
  const vcpus = Array.from({ length: description.cpus }, (_, id) => vcpuParts(id, byVcpu.get(String(id)) ?? []));
  const vm = Object.fromEntries(under('vm/').filter(([part]) => VM_ROWS.some((row) => row.part === part)));
  const roms = under('rom/').map(([gpa, bytes]) => ({ gpa: Number(gpa), bytes }));
  return {
    description,
    vcpus,
    vm,
    devices: upgradeRecords(under('device/')),
    roms,
    cpuid,
    lines: wordOf(config.state['machine/lines']),
  };
}

/** Names of parts: printable ASCII, as they are printed unchanged. */
const PART_NAME = /^[!-~]{1,128}$/;

const REQUIRED: readonly VcpuPart[] = ['regs', 'msrs', 'mp_state', 'vcpu_events'];

function vcpuParts(id: number, blobs: readonly (readonly [string, Uint8Array])[]): VcpuState {
  const parts = Object.fromEntries(blobs.filter(([part]) => Object.hasOwn(VCPU_ROWS, part))) as VcpuState;
  for (const part of REQUIRED) if (!parts[part]) throw invalid(`vCPU ${id} has no ${part}`);
  return parts;
}
