/** A small guest in much memory of which no two pages are equal: it prints a byte of each of some pages, in order. */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { load } from '../../loaders/index.ts';
import { bootImage } from '../../loaders/place.ts';
import { workingSet } from '../../snapshot/on-demand/working-set.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import type { RestoreOptions } from '../../snapshot/restore-options.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { FrameCache } from '../../snapshot/store/memory/frame-cache.ts';
import { Layer } from '../../snapshot/store/memory/layer.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import { validateState } from '../../snapshot/validate-state.ts';
import { Machine } from '../../src/machine/machine.ts';
import { ArrivalState } from '../../src/memory/arrival.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { scaled } from '../support/time.ts';
import { temporaryDirectory } from './store/support.ts';

const MIB = 2 ** 20;
const MOST_TRIES = 20;
/** Address of the first page that it reads, and how many it reads. */
export const [FIRST, PAGES] = [0x10000, 128];
/** Prints the first byte of each page from 64 KiB on, and halts. */
export const READER = Uint8Array.of(
  0xbb,
  0x00,
  0x10, //       mov bx, 0x1000
  0x8e,
  0xdb, //             mov ds, bx
  0xa0,
  0x00,
  0x00, //       mov al, [0]
  0xe6,
  0xe9, //             out 0xe9, al
  0x81,
  0xc3,
  0x00,
  0x01, // add bx, 0x100
  0x81,
  0xfb,
  0x00,
  0x90, // cmp bx, 0x9000
  0x75,
  0xef, //             jne 3
  0xf4, //                   hlt
);
/** What it prints. */
export const printed = Array.from({ length: PAGES }, (_, i) => 1 + i);

/** Calls `use` with a checkpoint of the reader before its first step, in 16 MiB of pages that differ. */
export async function withReader<T>(use: (checkpoint: Checkpoint, store: Store) => T | Promise<T>): Promise<T> {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  using checkpoint = store.open(takeReader(store));
  return await use(checkpoint, store);
}

/** Takes that checkpoint, of a machine with so much memory, and returns its digest. */
export function takeReader(store: Store, memoryMib = 16) {
  using machine = Machine.create({ memory: memoryMib * MIB });
  bootImage(machine, load(READER, { memoryMap: machine.memory.memoryMap, format: 'flat', mode: 'real', load: 0x8000 }));
  const page = new Uint8Array(PAGE_SIZE);
  for (let gpa = FIRST; gpa < memoryMib * MIB; gpa += PAGE_SIZE) {
    if (gpa >= 0xa0000 && gpa < MIB) continue;
    randomFillSync(page);
    page[0] = printed[(gpa - FIRST) / PAGE_SIZE] ?? 0;
    machine.memory.write(gpa, page);
  }
  using local = new LocalMachine(machine);
  using session = new CheckpointSession(local, store);
  return session.checkpoint().digest;
}

/** A machine that is brought back, in this thread, and what it prints. */
export class Reader implements Disposable {
  readonly machine: Machine;
  readonly local: LocalMachine;
  readonly printed: number[] = [];
  readonly problems: string[] = [];

  constructor(checkpoint: Checkpoint, options: RestoreOptions = { onDemand: true }) {
    const onProblem = (why: string) => void this.problems.push(why);
    const { machine, load: loadState } = restoreMachine(checkpoint, { onProblem, ...options });
    this.machine = machine;
    this.local = new LocalMachine(machine, { output: (_, bytes) => void this.printed.push(...bytes) });
    loadState(this.local);
  }

  /** One whose memory is not all there yet. */
  static incomplete(checkpoint: Checkpoint, options: RestoreOptions = {}): Reader {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const reader = new Reader(checkpoint, { onDemand: true, ...options });
      if (reader.state === ArrivalState.FILLING) return reader;
      reader[Symbol.dispose]();
    }
    throw new Error('memory was always there at once');
  }

  get state() {
    return this.machine.memory.arrival?.state;
  }

  [Symbol.dispose](): void {
    this.local[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }
}

/** Runs a machine that is brought back with a thread for its vCPU. */
export async function runInThreads(
  checkpoint: Checkpoint,
): Promise<{ readonly reason: string; readonly seen: number[] }> {
  const { machine, load: loadState } = restoreMachine(checkpoint, { onDemand: true });
  using owned = machine;
  const seen: number[] = [];
  const running = await RunningMachine.start(owned, { debugcon: (bytes) => void seen.push(...bytes) });
  try {
    loadState(running);
    const { reason } = await running.run({ timeoutMs: scaled(20_000) });
    return { reason, seen };
  } finally {
    await running.close();
  }
}

/** Flips a bit in each frame that holds none of `pages`, or in those that hold one of them. */
export function damage(store: Store, checkpoint: Checkpoint, pages: Iterable<number>, theirs: boolean): void {
  const [descriptor] = store.manifest(checkpoint.digest).layers;
  const layer = Layer.open(store.blobs, descriptor!, new FrameCache(0));
  const frames = new Set([...pages].map((gpa) => checkpoint.place(gpa).frame));
  const fd = openSync(store.blobs.path(descriptor!.digest), 'r+');
  const byte = new Uint8Array(1);
  for (const [frame, offset] of layer.offsets.entries()) {
    if (frames.has(frame) !== theirs) continue;
    readSync(fd, byte, 0, 1, offset + 20);
    writeSync(
      fd,
      byte.map((old) => old ^ 1),
      0,
      1,
      offset + 20,
    );
  }
  closeSync(fd);
  layer.close();
}

/** The pages that are read before it runs. */
export const firstPages = (checkpoint: Checkpoint) => workingSet(checkpoint, validateState(checkpoint.config));
