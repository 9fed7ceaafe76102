/**
 * Moments at which Linux writes to its disk: saved, and brought back in another process, where it writes on, unmounts and ends.
 * The disk of the checkpoint is one that a system starts from after a power failure, with everything on it that was synced; and
 * the disk at the end has no fault.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LiveSession } from '../../snapshot/live/live-session.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { TIME_FACTOR } from '../support/time.ts';
import { mustBeClean, readExt4File, recover } from './ext4.ts';
import { COPIED_BLOCKS, LINUX_WITH_DISK, LOGGED_LINES } from './linux-disk.ts';
import type { DiskRest } from './linux-disk-child.ts';
import type { Session } from './session.ts';

const CHILD = fileURLToPath(new URL('./linux-disk-child.js', import.meta.url));
export const DISK_BYTES = 32 * 2 ** 20;
/** What a process may take with such a guest. */
export const SECONDS = LINUX_WITH_DISK.seconds * TIME_FACTOR;
const POLL_MS = 5;

/** A checkpoint in the middle of some work, and what must then come. */
export interface Moment {
  readonly digest: Digest;
  /** What the guest says when the work is done. */
  readonly done: string;
  /** A file that has at least this text on the disk at the moment. */
  readonly synced?: { readonly file: string; readonly text: string };
  readonly finish: 'poweroff' | 'reboot';
}

/** A guest at its shell, and what is random. */
interface Work {
  readonly session: Session;
  readonly live: LiveSession;
  readonly next: (below: number) => number;
  readonly deadline: number;
}

/** Pages of the disk's overlay. */
function writtenPages({ machine }: Session): number {
  const disk = machine.disks.list[0]!;
  const runs = disk.memory.regions.flatMap((region) => [...disk.residentRuns(region)]);
  return runs.reduce((pages, [start, end]) => pages + (end - start) / PAGE_SIZE, 0);
}

/** Saves the guest, and waits until it has said that its work is done. Throws if it had said so when it was saved. */
async function savedAmid({ session, live, deadline }: Work, done: string): Promise<Digest> {
  let wasDone = false;
  const onTaken = () => {
    session.running.drainOutput();
    wasDone = session.unheard.serial.includes(done);
  };
  const { digest } = await live.checkpoint({ onTaken });
  if (wasDone) throw new Error(`the guest was saved after "${done}"`);
  await session.step({ on: 'serial', see: done }, deadline);
  return digest;
}

/** Saved when about a part of the blocks is written. `turn` names the file, so it is another one each time. */
async function amidCopy(work: Work, turn: number): Promise<Moment> {
  const { session, next, deadline } = work;
  const done = `copy ${turn}: equal`;
  const enough = writtenPages(session) + COPIED_BLOCKS / 8 + next(COPIED_BLOCKS / 4);
  await session.step({ on: 'serial', see: '# ', type: `copy ${turn}\n` }, deadline);
  while (writtenPages(session) < enough && !session.unheard.serial.includes(done) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  return { digest: await savedAmid(work, done), done, finish: 'reboot' };
}

/** Saved when some of the lines are synced. */
async function amidLog(work: Work, turn: number): Promise<Moment> {
  const { session, next, deadline } = work;
  const synced = 3 + next(LOGGED_LINES / 4);
  await session.step({ on: 'serial', see: '# ', type: `log ${turn}\n` }, deadline);
  await session.step({ on: 'serial', see: `log ${turn}: ${synced}\r` }, deadline);
  const done = `log ${turn}: ${LOGGED_LINES} lines`;
  const digest = await savedAmid(work, done);
  const text = Array.from({ length: synced }, (_, i) => `${i + 1}\n`).join('');
  return { digest, done, synced: { file: `/log${turn}`, text }, finish: 'poweroff' };
}

/** The kinds of work. */
export const AMID = { copy: amidCopy, log: amidLog };

/** Brings a guest back in a process that is ended when it takes twice its time, and returns how the run ended. */
async function inAnother(rest: DiskRest): Promise<string> {
  const options = { timeout: 2 * rest.seconds * 1000, killSignal: 'SIGKILL' } as const;
  try {
    return (await promisify(execFile)(process.execPath, [CHILD, JSON.stringify(rest)], options)).stdout;
  } catch (error) {
    const { killed, stderr, message } = error as Error & { killed?: boolean; stderr?: string };
    throw new Error(killed ? `the process did not end within ${2 * rest.seconds} s` : stderr?.trim() || message);
  }
}

/**
 * Brings a moment back in another process, and examines the disk at both ends. Throws, with what is wrong. `folder`: with the
 * store, and for the disks. `stuck`: a store for a checkpoint of a guest that has come to nothing.
 */
export async function goesOn({ digest, done, synced, finish }: Moment, folder: string, stuck?: string): Promise<void> {
  const [before, after] = [join(folder, 'before.img'), join(folder, 'after.img')];
  const steps = [{ see: done }, { see: '# ', type: `finish ${finish}\n` }, { see: 'finish: unmounted' }];
  const store = join(folder, 'store');
  const rest: DiskRest = { store, digest, steps, before, after, seconds: SECONDS, ...(stuck && { stuck }) };
  const ended = await inAnother(rest);
  const end = finish === 'reboot' ? 'reset' : finish;
  if (ended !== end) throw new Error(`the run ended with ${ended} instead of ${end}`);
  recover(before);
  const text = synced && readExt4File(before, synced.file);
  if (text !== undefined && !text.startsWith(synced!.text))
    throw new Error(`${synced!.file} has ${JSON.stringify(text)}, and ${JSON.stringify(synced!.text)} was synced`);
  mustBeClean(after);
}
