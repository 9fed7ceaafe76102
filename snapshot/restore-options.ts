/** How a checkpoint is restored, or forked. */
import { CLOCK_MODE, type ClockMode } from '../src/kvm/state/vm-state.ts';
import type { MachineOptions } from '../src/machine/machine-config.ts';
import { BOOLEAN, FUNCTION, isObject, OBJECT, type OptionKind, type OptionKinds, oneOf } from '../src/options.ts';
import type { RamCache } from './cache/ram-cache.ts';
import type { OnProgress } from './store/store-types.ts';

/** How to restore. */
export interface RestoreOptions {
  /** How the guest's clock goes on. Default "resume": from where it stood. */
  readonly clock?: ClockMode;
  /** Restores although this host differs from the checkpoint's in something that may matter. */
  readonly force?: boolean;
  /** The devices that are not built in, as they were given to Machine.create(). */
  readonly devices?: MachineOptions['devices'];
  /** Where the images of disks are now, by number of the disk. Default: where they were. */
  readonly disks?: ReadonlyMap<number, string>;
  /** Default "new": the guest is told that it was copied, by another generation id, if its ACPI tables have one. */
  readonly generation?: 'new' | 'keep';
  /** Allows more than 64 vCPUs, and more RAM than the host has. */
  readonly allowLarge?: boolean;
  /** Keeps the memory in files, and takes it from there when the same checkpoint is brought back again. Default: none. */
  readonly cache?: RamCache;
  /**
   * Lets the guest start at once: its memory comes from the store while it runs, with what it needs first before the rest, by
   * userfaultfd. A cache is used where it has the checkpoint, and gets it on the way. Forks do not take it. Default: false.
   */
  readonly onDemand?: boolean;
  /**
   * Told in a sentence why memory does not come on demand and is read first; or, while the guest runs, that a part which it has
   * not needed yet cannot be read: if it needs it, the run ends with CheckpointError.
   */
  readonly onProblem?: (why: string) => void;
  /** Called while memory is filled: bytes so far, and in all. */
  readonly onProgress?: OnProgress;
}

const DISK_PATHS: OptionKind = {
  wanted: 'a Map of paths by number of the disk',
  fits: (value) => isObject(value) && 'get' in value && 'has' in value,
};

const CACHE: OptionKind = {
  wanted: 'a RamCache',
  fits: (value) => isObject(value) && 'open' in value && 'limitBytes' in value,
};

/** The kinds of {@link RestoreOptions}. */
export const RESTORE_OPTIONS: OptionKinds<RestoreOptions> = {
  clock: CLOCK_MODE,
  force: BOOLEAN,
  devices: OBJECT,
  disks: DISK_PATHS,
  generation: oneOf('new', 'keep'),
  allowLarge: BOOLEAN,
  cache: CACHE,
  onDemand: BOOLEAN,
  onProblem: FUNCTION,
  onProgress: FUNCTION,
};
