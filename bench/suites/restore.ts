/** Restore to the first exit: from the cache of memory, against a C program that maps such a file, and without it. */
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RamCache } from '../../snapshot/cache/ram-cache.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Store } from '../../snapshot/store/store.ts';
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
const EXIT_MS = 5000;
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

const filledCheckpoint = (store: Store, memoryMib: number): Promise<Digest> =>
  withMarkedGuest(guest(), memoryMib, (local) => {
    fill(local.machine.memory);
    using session = new CheckpointSession(local, store);
    return session.checkpoint().digest;
  });

/** Milliseconds from opening a checkpoint to the first exit of the machine, in the calling thread. */
function restoreMs(store: Store, digest: Digest, cache?: RamCache): number {
  const start = performance.now();
  using checkpoint = store.open(digest, { lazy: cache !== undefined });
  const { machine, load } = restoreMachine(checkpoint, cache ? { cache } : {});
  using _machine = machine;
  using local = new LocalMachine(machine, { served: () => AT_EXIT });
  load(local);
  if (local.advance(EXIT_MS) !== AT_EXIT) throw new Error('the guest came to no exit');
  return performance.now() - start;
}

function floorMs(folder: string): number {
  const file = join(folder, 'ram');
  const { restoreUs } = runFloor<{ readonly restoreUs: number }>('restore', [guest(), LARGE_MIB, FLOOR_ROUNDS, file]);
  rmSync(file);
  return restoreUs / 1000;
}

async function restore(): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'vmlapse-bench-'));
  const measured = withStore(async (store): Promise<Result[]> => {
    const [large, small] = [await filledCheckpoint(store, LARGE_MIB), await filledCheckpoint(store, SMALL_MIB)];
    const cache = new RamCache({ directory: join(folder, 'cache') });
    const made = restoreMs(store, large, cache);
    restoreMs(store, small, cache);
    const eager = await interleave(EAGER_ROUNDS, { eager: () => restoreMs(store, large) });
    const ms = await interleave(ROUNDS, {
      large: () => restoreMs(store, large, cache),
      small: () => restoreMs(store, small, cache),
    });
    const floor = await interleave(3, { floor: () => floorMs(folder) });
    const name = `restore: ${LARGE_MIB} MiB to the first exit`;
    return [
      {
        name: `${name}, from the cache`,
        ours: ms.large,
        floor: floor.floor,
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

export const RESTORE_BENCHES: readonly Bench[] = [{ name: 'restore', run: restore }];
