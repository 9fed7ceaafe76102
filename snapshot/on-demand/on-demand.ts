/**
 * Memory that comes from the store while the guest runs: empty memory, registered with userfaultfd, and a thread that supplies
 * its pages (page-server.ts). What the guest needs at once is read before.
 */
import { Worker } from 'node:worker_threads';
import { overlayMemory } from '../../src/disk/overlay.ts';
import { Cleanup } from '../../src/ffi/cleanup.ts';
import { blockKickSignal } from '../../src/ffi/signals.ts';
import { Userfault } from '../../src/ffi/userfault.ts';
import { Arrival, ArrivalState } from '../../src/memory/arrival.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { threadEnv } from '../../src/runner/threads/thread-env.ts';
import type { MachineDescription } from '../machine-description.ts';
import type { MachineMemory } from '../machine-memory.ts';
import type { MachineState } from '../machine-state.ts';
import type { RestoreOptions } from '../restore-options.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import { AskedPages } from './asked-pages.ts';
import { workingSet } from './working-set.ts';

/** A part of the page space: where it is for the guest and in this process. */
export interface ServedRange {
  readonly base: number;
  readonly size: number;
  readonly address: bigint;
}

/** Start data of the thread. */
export interface PageServerStart {
  readonly directory: string;
  readonly digest: string;
  readonly description: MachineDescription;
  readonly cache: { readonly directory: string; readonly limitBytes: number; readonly origin: string } | undefined;
  /** Of userfaultfd; the thread closes it. */
  readonly fd: number;
  readonly arrival: SharedArrayBuffer;
  /** See {@link AskedPages}. */
  readonly asked: SharedArrayBuffer;
  readonly ranges: readonly ServedRange[];
}

const READ_FIRST = 'all memory is read before the guest runs';

/** What the thread tells. */
export interface PageServerMessage {
  /** Why the cache does not get the memory. */
  readonly notCached?: string;
  /** Why some of it will never come. */
  readonly damage?: string;
}

/**
 * Memory of a checkpoint's machine, of which only the first pages are there. Undefined where this host cannot do that, which
 * `onProblem` is told. Throws CheckpointError and GuestMemoryError.
 */
export function bringOnDemand(
  checkpoint: Checkpoint,
  state: MachineState,
  { cache, onProblem }: RestoreOptions,
): MachineMemory | undefined {
  using made = new Cleanup();
  const fault = Userfault.open();
  if (typeof fault === 'string') {
    onProblem?.(`${READ_FIRST}: ${fault}`);
    return undefined;
  }
  made.use(fault);
  const { description } = state;
  const ram = made.use(GuestMemory.create(description.memory));
  const overlays = (description.disks ?? []).map(({ bytes }, i) => made.use(overlayMemory(i, bytes)));
  const parts = [ram, ...overlays];
  const regions = parts.flatMap((part) => part.regions);
  if (!Arrival.isPossible()) {
    onProblem?.(`${READ_FIRST}: this kernel cannot be asked for pages (MADV_POPULATE_READ, from Linux 5.14 on)`);
    return undefined;
  }
  const arrival = new Arrival();
  const asked = new AskedPages();
  const { directory, digest } = checkpoint;
  const start: PageServerStart = {
    directory,
    digest,
    description,
    cache: cache && { directory: cache.directory, limitBytes: cache.limitBytes, origin: cache.origin },
    fd: fault.number,
    arrival: arrival.buffer,
    asked: asked.buffer,
    ranges: regions.map(({ base, size, mapping }) => ({ base, size, address: mapping.address })),
  };
  blockKickSignal(); // of the threads that are made from here on, too: whoever is refused a page may be kicked
  const worker = new Worker(new URL('./page-server.js', import.meta.url), { ...threadEnv(), workerData: start });
  worker.on('message', ({ notCached, damage }: PageServerMessage) => {
    if (notCached !== undefined) cache?.onProblem(notCached);
    if (damage !== undefined)
      onProblem?.(`a part of memory that the guest has not needed yet cannot be read: ${damage}`);
  });
  worker.on('error', (error) => arrival.refuse(error)).unref();
  finishAtExit(arrival, worker);
  made.keep(); // the descriptor is the thread's
  made.defer(() => arrival.leave());
  for (const part of parts) made.use(part);
  putFirst(parts, checkpoint, workingSet(checkpoint, state));
  const failed = regions.map(({ mapping }) => fault.register(mapping)).find((code) => code !== 0);
  if (failed !== undefined) {
    onProblem?.(`${READ_FIRST}: userfaultfd does not take guest memory: errno ${failed}`);
    return undefined;
  }
  for (const part of parts) part.arrival = arrival;
  arrival.onLeave = () => cache?.noteNeeded(digest, asked.pages);
  arrival.advance(ArrivalState.FILLING);
  made.keep();
  return { ram, overlays };
}

const incomplete = new Set<Arrival>();
const EXIT_LIMIT_MS = 60_000;

/**
 * A process that ends waits for its threads, and a vCPU may be waiting for a page then, without its machine being disposed of:
 * while all threads still run, the rest is read.
 */
function finishAtExit(arrival: Arrival, worker: Worker): void {
  if (incomplete.size === 0) process.once('exit', finishAll);
  incomplete.add(arrival);
  worker.once('exit', () => {
    incomplete.delete(arrival);
    if (incomplete.size === 0) process.off('exit', finishAll);
  });
}

function finishAll(): void {
  for (const arrival of incomplete) arrival.hurry(EXIT_LIMIT_MS);
}

/** Copies pages into memory that nobody has seen yet. */
function putFirst(parts: readonly GuestMemory[], checkpoint: Checkpoint, pages: ReadonlySet<number>): void {
  const wanted = [...pages].filter((gpa) => parts.some((part) => part.find(gpa, PAGE_SIZE)));
  const bytes = new Uint8Array(wanted.length * PAGE_SIZE);
  checkpoint.readPages(wanted, bytes);
  wanted.forEach((gpa, i) => {
    const part = parts.find((candidate) => candidate.find(gpa, PAGE_SIZE))!;
    part.write(gpa, bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE));
  });
}
