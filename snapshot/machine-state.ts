/**
 * Everything a machine is besides its RAM, as bytes: each vCPU's parts, the VM's parts, each device's record, ROMs and
 * CPUID. In a checkpoint each is a named blob: "vcpu/0/regs", "vm/clock", "device/com1", "rom/0xffff0000".
 */
import { CONFIG, checkArguments } from '../src/arguments.ts';
import { upgradeRecords } from '../src/devices/devices.ts';
import { MAX_DISK_BYTES, MAX_DISKS, SECTOR_BYTES } from '../src/disk/limits.ts';
import { CheckpointError } from '../src/errors.ts';
import { readCpuidBytes } from '../src/kvm/cpuid.ts';
import { VCPU_ROWS, type VcpuPart } from '../src/kvm/state/vcpu-rows.ts';
import type { VcpuState } from '../src/kvm/state/vcpu-state.ts';
import { VM_ROWS, type VmState } from '../src/kvm/state/vm-state.ts';
import type { DiskDescription } from '../src/machine/disks.ts';
import type { MachineConfig } from '../src/machine/machine-config.ts';
import { type EndedVcpu, soundEnds } from './ended.ts';
import type { CheckpointConfig, Json } from './store/format/documents.ts';

/** Format of `machine` and of the names in `state`. */
const STATE_VERSION = 1;

/** The guest image a machine was booted from, so that a later diff can find its symbols. */
export interface GuestOrigin {
  /** Absolute path at the time. */
  readonly path: string;
  readonly sha256: string;
  readonly format: string;
  /** Where a position-independent image was loaded, in bytes. */
  readonly load?: number;
}

/** A machine in words and numbers. JSON. */
export interface MachineDescription {
  readonly memory: number;
  readonly cpus: number;
  readonly irqchip: boolean;
  /** Whether it has 8259s and an 8254 in user space; absent without. */
  readonly userChips?: boolean;
  /** Port of an isa-debug-exit; absent without. */
  readonly exitPort?: number;
  /** `tsc` is "none" where the guest reads the host's own TSC. Absent in older checkpoints. */
  readonly host: { readonly kvm: string; readonly tscKhz: number; readonly tsc?: string };
  readonly guest?: GuestOrigin;
  /** Absent without disks. */
  readonly disks?: readonly DiskDescription[];
  /** Whether it has a virtio source of random numbers. */
  readonly rng?: boolean;
  /** How the guest had ended: the next runs return these ends without running it. */
  readonly ended?: EndedVcpu;
}

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
  if (config.version !== STATE_VERSION) {
    throw invalid(`its machine state has version ${config.version}, this vmlapse reads ${STATE_VERSION}`);
  }
  const description = checkDescription(config.machine);
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
const KVM_NAME = /^[ -~]{1,64}$/;

const REQUIRED: readonly VcpuPart[] = ['regs', 'msrs', 'mp_state', 'vcpu_events'];

function vcpuParts(id: number, blobs: readonly (readonly [string, Uint8Array])[]): VcpuState {
  const parts = Object.fromEntries(blobs.filter(([part]) => Object.hasOwn(VCPU_ROWS, part))) as VcpuState;
  for (const part of REQUIRED) if (!parts[part]) throw invalid(`vCPU ${id} has no ${part}`);
  return parts;
}

const MAX_CPUS = 4096;
const MAX_PORT = 0xffff;

function checkDescription(machine: Json): MachineDescription {
  const d = machine as unknown as Partial<MachineDescription> | null;
  const whole = (n: unknown, most: number) => Number.isSafeInteger(n) && (n as number) > 0 && (n as number) <= most;
  const sound =
    d !== null &&
    typeof d === 'object' &&
    whole(d.memory, 2 ** 52) &&
    whole(d.cpus, MAX_CPUS) &&
    typeof d.irqchip === 'boolean' &&
    (d.userChips === undefined || typeof d.userChips === 'boolean') &&
    (d.exitPort === undefined || whole(d.exitPort, MAX_PORT)) &&
    typeof d.host === 'object' &&
    d.host !== null;
  if (!sound) throw invalid('its machine description is not one');
  if (d.disks !== undefined && !areDisks(d.disks)) throw invalid('its disks are not described as such');
  if (d.rng !== undefined && typeof d.rng !== 'boolean') throw invalid('it does not say whether it has random numbers');
  if (d.guest !== undefined && !isOrigin(d.guest)) throw invalid('its guest image is not described as one');
  if (!KVM_NAME.test(String(d.host.kvm))) throw invalid('it does not say its host');
  if (d.ended !== undefined && !soundEnds(d.ended, d.cpus!)) throw invalid('it does not say how its guest ended');
  return d as MachineDescription;
}

const SHA256 = /^[0-9a-f]{64}$/;

function areDisks(disks: unknown): boolean {
  return Array.isArray(disks) && disks.length <= MAX_DISKS && disks.every(isDisk);
}

function isDisk(disk: unknown): boolean {
  if (typeof disk !== 'object' || disk === null) return false;
  const { path, bytes, sha256, readOnly } = disk as Partial<Record<keyof DiskDescription, unknown>>;
  const size = bytes as number;
  const sound = Number.isSafeInteger(size) && size > 0 && size <= MAX_DISK_BYTES && size % SECTOR_BYTES === 0;
  return sound && typeof path === 'string' && SHA256.test(String(sha256)) && typeof readOnly === 'boolean';
}

function isOrigin(guest: unknown): boolean {
  if (typeof guest !== 'object' || guest === null) return false;
  const { path, sha256, format, load } = guest as Partial<Record<keyof GuestOrigin, unknown>>;
  const words = [path, sha256, format].every((word) => typeof word === 'string');
  return words && (load === undefined || (Number.isSafeInteger(load) && (load as number) >= 0));
}

const invalid = (why: string) =>
  new CheckpointError('BAD_STATE', `the checkpoint cannot be used: ${why}; was it made by another tool?`);
