/** Restore to the first exit: from the cache of memory, against a C program that maps such a file, and without it. */
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RamCache } from '../../snapshot/cache/ram-cache.ts';
import { forkPool } from '../../snapshot/fork-pool.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import type { RestoreOptions } from '../../snapshot/restore-options.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { usesShadowPaging } from '../../src/kvm/backend.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import type { GuestMemory } from '../../src/memory/guest-memory.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import type { Bench } from '../bench.ts';
import { withMarkedGuest, withStore } from '../checkpoint-lab.ts';
import { interleave } from '../measure.ts';
import { dirtyGuest, runFloor } from '../native.ts';
import type { Result } from '../report.ts';

const MIB = 2 ** 20;
const LARGE_MIB = 1024;
const SMALL_MIB = 64;
const ROUNDS = 15;
const EAGER_ROUNDS = 2;
const FLOOR_ROUNDS = 10;
const EXIT_MS = 30_000;
const AT_EXIT: RunEnd = { reason: 'stop-point' };
const FIRST_FILLED = 16 * MIB;

const guest = dirtyGuest.bind(undefined, { pages: 1, stride: 1, mark: true });

/** Fills RAM with pages that differ. */
function fill(memory: GuestMemory): void {
  const piece = randomFillSync(Buffer.alloc(MIB));
  for (const { base, size } of memory.regions)
    for (let at = Math.max(base, FIRST_FILLED); at < base + size; at += MIB) {
      for (let page = 0; page < MIB; page += PAGE_SIZE) piece.writeDoubleLE(at + page, page);
      memory.write(at, piece);
    }
}

/** A checkpoint of a machine whose RAM is full of pages that differ. */
export const filledCheckpoint = (store: Store, memoryMib: number, program = guest()): Promise<Digest> =>
  withMarkedGuest(program, memoryMib, (local) => {
    fill(local.machine.memory);
    using session = new CheckpointSession(local, store);
    return session.checkpoint().digest;
  });

/** Such a machine one round later: its last layer is what the round has changed. */
const changedCheckpoint = (store: Store, memoryMib: number, pages: number): Promise<Digest> =>
  withMarkedGuest(dirtyGuest({ pages, stride: 1, mark: true }), memoryMib, (local) => {
    fill(local.machine.memory);
    using session = new CheckpointSession(local, store);
    session.checkpoint();
    if (local.advance(EXIT_MS).reason !== AT_EXIT.reason) throw new Error('the guest came to no exit');
    return session.checkpoint().digest;
  });

/** Milliseconds from opening a checkpoint to the first exit of the machine, in the calling thread. */
function restoreMs(store: Store, digest: Digest, options: RestoreOptions = {}): number {
  const start = performance.now();
  using checkpoint = store.open(digest, { lazy: options.cache !== undefined });
  const { machine, load } = restoreMachine(checkpoint, options);
  using _machine = machine;
  // A signal may bring KVM_RUN back before.
  using local: LocalMachine = new LocalMachine(machine, { served: () => (local.exits > 0 ? AT_EXIT : undefined) });
  load(local);
  if (local.advance(EXIT_MS) !== AT_EXIT) throw new Error('the guest came to no exit');
  return performance.now() - start;
}

/** Microseconds of the C program: of a restore, and of one with the VM of the one before. */
interface Floor {
  readonly restoreUs: number;
  readonly againUs: number;
}

function floor(folder: string, mib: number, rounds: number): Floor {
  const file = join(folder, 'ram');
  const measured = runFloor<Floor>('restore', [guest(), mib, rounds, file, usesShadowPaging() ? 'shadow' : 'tlb']);
  rmSync(file);
  return measured;
}

async function restore(): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
  const measured = withStore(async (store): Promise<Result[]> => {
    const [large, small] = [await filledCheckpoint(store, LARGE_MIB), await filledCheckpoint(store, SMALL_MIB)];
    const cache = new RamCache({ directory: join(folder, 'cache') });
    const made = restoreMs(store, large, { cache });
    restoreMs(store, small, { cache });
    const eager = await interleave(EAGER_ROUNDS, { eager: () => restoreMs(store, large) });
    const ms = await interleave(ROUNDS, {
      large: () => restoreMs(store, large, { cache }),
      small: () => restoreMs(store, small, { cache }),
    });
    const inC = await interleave(3, { floor: () => floor(folder, LARGE_MIB, FLOOR_ROUNDS).restoreUs / 1000 });
    const name = `restore: ${LARGE_MIB} MiB to the first exit`;
    return [
      {
        name: `${name}, from the cache`,
        ours: ms.large,
        floor: inC.floor,
        unit: 'ms',
        bar: { at: 'most', ratio: 1.3 },
        note: 'floor: a C program that maps such a file and loads the same state',
      },
      {
        name: `${name}, against ${SMALL_MIB} MiB`,
        ours: ms.large,
        floor: ms.small,
        unit: 'ms',
        bar: { at: 'most', ratio: 1.2 },
        note: `both from the cache; floor: ${SMALL_MIB} MiB`,
      },
      {
        name: `${name}, from the store`,
        ours: eager.eager,
        floor: ms.large,
        unit: 'ms',
        note: `all of it read and checked; the first time with a cache it was ${made.toFixed(0)} ms; floor: from the cache`,
      },
    ];
  });
  return await measured.finally(() => rmSync(folder, { recursive: true, force: true }));
}

const DEMAND_ROUNDS = 5;

/** On demand against all read first: to the first exit, and to the end of a guest that writes to a part of its memory. */
async function onDemand(): Promise<Result[]> {
  const tenth = (LARGE_MIB * MIB) / PAGE_SIZE / 10;
  return await withStore(async (store): Promise<Result[]> => {
    const few = await changedCheckpoint(store, LARGE_MIB, 1);
    const part = await filledCheckpoint(store, LARGE_MIB, dirtyGuest({ pages: tenth, stride: 1, mark: true }));
    const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
    using _removed = { [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
    const cache = new RamCache({ directory: folder, limitBytes: MIB }); // room for what was needed, not for the memory
    restoreMs(store, part, { onDemand: true, cache });
    const ms = await interleave(DEMAND_ROUNDS, {
      again: () => restoreMs(store, part, { onDemand: true, cache }),
      few: () => restoreMs(store, few, { onDemand: true }),
      fewEager: () => restoreMs(store, few),
      part: () => restoreMs(store, part, { onDemand: true }),
      partEager: () => restoreMs(store, part),
    });
    const name = `restore on demand: ${LARGE_MIB} MiB`;
    return [
      {
        name: `${name} to the first exit`,
        ours: ms.few,
        floor: ms.fewEager,
        unit: 'ms',
        bar: { at: 'most', ratio: 0.08 },
        note: 'nothing in a cache; floor: all of it read and checked first',
      },
      {
        name: `${name}, of which the guest writes to a tenth`,
        ours: ms.part,
        floor: ms.partEager,
        unit: 'ms',
        bar: { at: 'most', ratio: 1 },
        note: 'to the end of that, one page after the other; floor: all of it read and checked first',
      },
      {
        name: `${name}, the second time`,
        ours: ms.again,
        floor: ms.part,
        unit: 'ms',
        note: 'the same tenth, of which it is known that it was needed before; floor: the first time',
      },
    ];
  });
}

const POOL_ROUNDS = 1000;

/** Milliseconds of rounds with a pool: taken, run to its first exit, given back. Sorted. */
function poolMs(checkpoint: Checkpoint): number[] {
  using pool = forkPool(checkpoint, { local: (machine) => new LocalMachine(machine, { served: () => AT_EXIT }) });
  const round = () => {
    using fork = pool.take();
    if (fork.local.advance(EXIT_MS) !== AT_EXIT) throw new Error('the guest came to no exit');
  };
  const ms = () => {
    const start = performance.now();
    round();
    return performance.now() - start;
  };
  return Array.from({ length: POOL_ROUNDS }, ms).sort((a, b) => a - b);
}

async function pool(): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
  const measured = withStore(async (store): Promise<Result[]> => {
    using checkpoint = store.open(await filledCheckpoint(store, SMALL_MIB));
    const rounds = await interleave(3, {
      ours: () => poolMs(checkpoint)[POOL_ROUNDS / 2]!,
      floor: () => floor(folder, SMALL_MIB, POOL_ROUNDS).againUs / 1000,
    });
    const times = poolMs(checkpoint);
    const name = `fork: from a pool, ${SMALL_MIB} MiB`;
    return [
      {
        name,
        ours: rounds.ours,
        floor: rounds.floor,
        unit: 'ms',
        bar: { at: 'most', ratio: 1.5 },
        note: 'taken, run to its first exit, given back; floor: C with one VM, its copies of pages thrown away, the state loaded',
      },
      {
        name: `${name}, slowest of 100`,
        ours: times[POOL_ROUNDS * 0.99]!,
        floor: times[POOL_ROUNDS / 2]!,
        unit: 'ms',
        bar: { at: 'most', ratio: 4 },
        note: `p99 of ${POOL_ROUNDS} forks; floor: their median`,
      },
    ];
  });
  return await measured.finally(() => rmSync(folder, { recursive: true, force: true }));
}

export const RESTORE_BENCHES: readonly Bench[] = [
  { name: 'restore', run: restore },
  { name: 'restore on demand', run: onDemand },
  { name: 'fork pool', run: pool },
];
