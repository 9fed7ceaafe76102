/** A machine in words and numbers, as a checkpoint has it. To read that takes none of what reads the machine's state. */
import { MAX_DISK_BYTES, MAX_DISKS, SECTOR_BYTES } from '../src/disk/limits.ts';
import { CheckpointError } from '../src/errors.ts';
import type { DiskDescription } from '../src/machine/disks.ts';
import { type EndedVcpu, soundEnds } from './ended.ts';
import type { CheckpointConfig, Json } from './store/format/documents.ts';

/** Format of `machine` and of the names in `state`. */
export const STATE_VERSION = 1;

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

/** The description in a checkpoint's config. Throws CheckpointError for a config that describes no machine. */
export function describedMachine({ version, machine }: CheckpointConfig): MachineDescription {
  if (version === STATE_VERSION) return checkDescription(machine);
  throw invalid(`its machine state has version ${version}, this vmlapse reads ${STATE_VERSION}`);
}

const KVM_NAME = /^[ -~]{1,64}$/;
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

/** The error for what is in a checkpoint and is no machine. */
export const invalid = (why: string) =>
  new CheckpointError('BAD_STATE', `the checkpoint cannot be used: ${why}; was it made by another tool?`);
