/**
 * A process that brings a guest with a disk back, holds the rest of its dialogue, and waits for its end. Writes the disk to a
 * file as it was at first, and as it is at the end. Its argument is a {@link DiskRest} as JSON; it prints how the run ended.
 */
import { exportDisk } from '../../snapshot/export/export-disk.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { writeDisk } from './ext4.ts';
import { Session } from './session.ts';

/** What is left of a dialogue. */
export interface DiskRest {
  readonly store: string;
  readonly digest: Digest;
  readonly steps: readonly { readonly see: string; readonly type?: string }[];
  /** Files for the disk. */
  readonly before: string;
  readonly after: string;
  readonly seconds: number;
  /** A store for a checkpoint of a guest that has come to nothing. */
  readonly stuck?: string;
}

/** Saves the guest as it stands. */
function keep(directory: string): void {
  using stuck = openStore(directory, { create: true });
  using now = new CheckpointSession(session.running, stuck);
  session.running.pause();
  now.checkpoint({ label: `does not go on from ${rest.digest}` });
}

/** Throws both errors in one, where the guest cannot be saved. */
function keepOrSay(directory: string, error: unknown): void {
  try {
    keep(directory);
  } catch (failure) {
    throw new Error(`${error}; it was not kept in ${directory}: ${failure}`);
  }
}

const rest = JSON.parse(process.argv[2]!) as DiskRest;
const deadline = Date.now() + rest.seconds * 1000;
using store = openStore(rest.store, { readOnly: true });
using checkpoint = store.open(rest.digest);
const { machine, load } = restoreMachine(checkpoint);
exportDisk(checkpoint, 0, rest.before);
await using session = await Session.over(machine, () => {}, load);
try {
  for (const step of rest.steps) await session.step({ on: 'serial', ...step }, deadline);
  await session.ended(deadline);
} catch (error) {
  if (rest.stuck) keepOrSay(rest.stuck, error);
  throw error;
}
const { reason } = await session.ended(deadline);
writeDisk(machine.disks.list[0]!, rest.after);
process.stdout.write(reason);
