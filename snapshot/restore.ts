/** From a checkpoint to a machine that goes on where it was taken. */

import { CHECKPOINT, checkArguments } from '../src/arguments.ts';
import { checkDigest } from '../src/disk/digest.ts';
import { CheckpointError, DiskError, GuestMemoryError, UsageError } from '../src/errors.ts';
import { Cleanup } from '../src/ffi/cleanup.ts';
import { renewGeneration } from '../src/machine/generation.ts';
import { Machine } from '../src/machine/machine.ts';
import type { PageSpace } from '../src/memory/page-space.ts';
import { checkOptions } from '../src/options.ts';
import { checkCompatible } from './compatible.ts';
import { refuseLarge } from './large.ts';
import type { MachineMemory } from './machine-memory.ts';
import { type MachineState, machineConfig } from './machine-state.ts';
import { withMsrsOf } from './missing-msrs.ts';
import { bringOnDemand } from './on-demand/on-demand.ts';
import { outsideMemory } from './outside.ts';
import { RESTORE_OPTIONS, type RestoreOptions } from './restore-options.ts';
import { type StateLoader, stateLoader } from './state-loader.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';
import type { OnProgress } from './store/store-types.ts';
import type { SnapshotTarget } from './target.ts';
import { validateState } from './validate-state.ts';

/** A machine whose memory is the checkpoint's, and the rest of its state, to be loaded once it has vCPUs. */
export interface RestoredMachine {
  readonly machine: Machine;
  /** Loads vCPUs, devices, interrupt controllers and clock. Call it before the first run; again where memory is as it was then. */
  load(target: SnapshotTarget): void;
}

/**
 * Creates the machine of a checkpoint and fills its memory. The machine is the caller's to dispose. Throws
 * CheckpointError (INCOMPATIBLE: with the list of what differs), KvmError or GuestMemoryError.
 */
export function restoreMachine(checkpoint: Checkpoint, options: RestoreOptions = {}): RestoredMachine {
  checkArguments('restoreMachine', [checkpoint, CHECKPOINT]);
  checkOptions(options, RESTORE_OPTIONS);
  const state = validateState(checkpoint.config);
  refuseLarge(state.description, options.allowLarge);
  const { cache, onDemand, onProgress } = options;
  using found = onDemand ? cache?.find(checkpoint, state.description) : undefined;
  const arriving = onDemand && !found ? bringOnDemand(checkpoint, state, options) : undefined;
  if (arriving) return buildMachine(state, options, arriving);
  using cached = found ? undefined : cache?.open(checkpoint, state.description, onProgress);
  const kept = found ?? cached;
  if (kept) return buildMachine(state, options, kept.use());
  const restored = buildMachine(state, options);
  try {
    fillMemory(restored.machine.pages, checkpoint, onProgress);
    return restored;
  } catch (error) {
    restored.machine[Symbol.dispose]();
    throw error;
  }
}

/**
 * The machine of a state, around `memory` if that is given: it is the machine's then. Without, its RAM is empty. Throws
 * CheckpointError INCOMPATIBLE or KvmError.
 */
export function buildMachine(state: MachineState, options: RestoreOptions, memory?: MachineMemory): RestoredMachine {
  const machine = createMachine(state, options, memory);
  try {
    checkImages(state, machine);
    checkCompatible(state, machine, options.force ?? false);
    for (const { gpa, bytes } of state.roms) machine.addRom(gpa, bytes);
    let prepared: { readonly target: SnapshotTarget; readonly load: StateLoader } | undefined;
    const load = (target: SnapshotTarget) => {
      if (prepared?.target !== target) prepared = { target, load: stateLoader(target, withMsrsOf(target, state)) };
      prepared.load(options.clock ?? 'resume');
      if (options.generation !== 'keep') renewGeneration(machine, state.vm.ioapic);
    };
    return { machine, load };
  } catch (error) {
    machine[Symbol.dispose]();
    throw error;
  }
}

/** A machine that cannot be created on this host is INCOMPATIBLE, too. */
function createMachine(state: MachineState, options: RestoreOptions, memory?: MachineMemory): Machine {
  const { devices = [] } = options;
  using given = new Cleanup(); // until the machine takes it over
  for (const part of memory ? [memory.ram, ...memory.overlays] : []) given.use(part);
  const config = machineConfig(state);
  const disks = (config.disks ?? []).map((disk, i) => ({ ...disk, path: options.disks?.get(i) ?? disk.path }));
  const unknown = [...(options.disks?.keys() ?? [])].find((i) => disks[i] === undefined);
  if (unknown !== undefined)
    throw new UsageError(`the checkpoint has no disk ${unknown}: it has ${disks.length}, the first is disk 0`);
  try {
    given.keep();
    return Machine.create({ ...config, disks, devices }, memory?.ram, memory?.overlays);
  } catch (error) {
    if (error instanceof DiskError && disks.length > 0) throw missingImage(error);
    if (!(error instanceof UsageError || error instanceof GuestMemoryError)) throw error;
    throw new CheckpointError('INCOMPATIBLE', `the checkpoint does not fit this host: ${error.message}`, {
      differences: [error.message],
    });
  }
}

const missingImage = (error: DiskError) =>
  new CheckpointError(
    'NO_DISK_IMAGE',
    `${error.message}; the checkpoint's disk rests on it: name where it is now with --disk N=FILE`,
    error.details,
    error,
  );

/** Throws DiskError MISMATCH unless the disks rest on the images with which the checkpoint was taken. */
function checkImages({ description: { disks = [] } }: MachineState, machine: Machine): void {
  machine.disks.images.forEach((image, i) => {
    checkDigest(image, disks[i]!);
  });
}

/** Copies a checkpoint's pages into fresh memory. Throws CheckpointError. */
export function fillMemory(pages: PageSpace, checkpoint: Checkpoint, onProgress?: OnProgress): void {
  const data = (gpa: number, bytes: Uint8Array) => {
    if (!pages.has(gpa, bytes.length)) throw outsideMemory(gpa, bytes.length);
    pages.write(gpa, bytes);
  };
  checkpoint.readAll({ data }, onProgress);
}
