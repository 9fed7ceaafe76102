/** Rollback in place: only dirty pages are copied, against the same loop in C, and against QEMU's loadvm. */
import { CheckpointSession } from '../../snapshot/session.ts';
import { usesShadowPaging } from '../../src/kvm/backend.ts';
import type { Bench } from '../bench.ts';
import { withMarkedGuest, withStore } from '../checkpoint-lab.ts';
import { interleave, median } from '../measure.ts';
import { dirtyGuest, runFloor } from '../native.ts';
import { loadvmMs } from '../qemu-snapshots.ts';
import type { Result } from '../report.ts';

const PAGES = 64;
const STRIDE = 16;
const WARM_UP = 400;
const LOOPS = 1000;
const ROUNDS = 5;
const LOADVMS = 10;

type Strategy = 'clear' | 'hot' | 'hot-sync';

interface Times {
  readonly rollbackUs: number;
  readonly roundUs: number;
  readonly pages: number;
}

const guest = dirtyGuest.bind(undefined, { pages: PAGES, stride: STRIDE, mark: true });

const floor = (memoryMib: number, strategy: Strategy) =>
  runFloor<Times>('rollback', [guest(), memoryMib, LOOPS, strategy, usesShadowPaging() ? 'shadow' : 'tlb']);

/** Calls `use` with a function that takes medians over a fresh series of rollbacks. */
function withRollbacks<T>(memoryMib: number, use: (measure: () => Times) => Promise<T>): Promise<T> {
  return withStore((store) =>
    withMarkedGuest(guest(), memoryMib, async (local) => {
      using session = new CheckpointSession(local, store);
      const { digest } = session.checkpoint();
      using checkpoint = store.open(digest);
      const series = (loops: number): Times => {
        const rollbacks: number[] = [];
        const rounds: number[] = [];
        let pages = 0;
        for (let i = 0; i < loops; i++) {
          const start = performance.now();
          local.advance();
          const marked = performance.now();
          pages = session.rollback(checkpoint).pages;
          const end = performance.now();
          rollbacks.push((end - marked) * 1000);
          rounds.push((end - start) * 1000);
        }
        return { rollbackUs: median(rollbacks), roundUs: median(rounds), pages };
      };
      series(WARM_UP);
      return await use(() => series(LOOPS));
    }),
  );
}

async function rollback(memoryMib: number): Promise<Result[]> {
  return await withRollbacks(memoryMib, async (measure) => {
    const ours: Times[] = [];
    const floors: Record<Strategy, Times[]> = { clear: [], hot: [], 'hot-sync': [] };
    await interleave(ROUNDS, {
      ours: () => sample(ours, measure()),
      hot: () => sample(floors.hot, floor(memoryMib, 'hot')),
      sync: () => sample(floors['hot-sync'], floor(memoryMib, 'hot-sync')),
    });
    const of = (times: readonly Times[], pick: (t: Times) => number) => median(times.map(pick));
    const latency = of(ours, (t) => t.rollbackUs);
    const rate = 1e6 / of(ours, (t) => t.roundUs);
    const bestRate =
      1e6 /
      Math.min(
        of(floors.hot, (t) => t.roundUs),
        of(floors['hot-sync'], (t) => t.roundUs),
      );
    const name = `rollback: ${PAGES} pages in ${memoryMib} MiB`;
    return [
      {
        name,
        ours: latency,
        floor: of(floors.hot, (t) => t.rollbackUs),
        unit: 'us',
        bar: { at: 'most', ratio: 1.3 },
        note: 'floor: C, the same pages left in the log, an ioctl for each part of the state',
      },
      {
        name: `${name}, sync regs`,
        ours: latency,
        floor: of(floors['hot-sync'], (t) => t.rollbackUs),
        unit: 'us',
        note: 'floor: C, registers handed over with KVM_RUN, the pending exit not completed first',
      },
      {
        name: 'rollback loop rate',
        ours: rate,
        floor: bestRate,
        unit: 'rounds/s',
        bar: { at: 'least', ratio: 0.8 },
        note: 'floor: the best C strategy',
      },
    ];
  });
}

function sample(into: Times[], times: Times): number {
  into.push(times);
  return times.rollbackUs;
}

/** The same dirty pages in little and in much RAM. */
async function byRam(): Promise<Result> {
  const latency = (memoryMib: number) => withRollbacks(memoryMib, async (measure) => measure().rollbackUs);
  const { large, small } = await interleave(3, { large: () => latency(4096), small: () => latency(64) });
  return {
    name: 'rollback: 4 GiB against 64 MiB',
    ours: large,
    floor: small,
    unit: 'us',
    bar: { at: 'most', ratio: 1.5 },
    note: `${PAGES} dirty pages in both`,
  };
}

async function againstQemu(): Promise<Result> {
  const memoryMib = 256;
  const plain = dirtyGuest({ pages: PAGES, stride: STRIDE, mark: false });
  const theirs = median(await loadvmMs(plain, memoryMib, LOADVMS)) * 1000;
  const ours = await withRollbacks(memoryMib, async (measure) => measure().rollbackUs);
  return {
    name: 'rollback against QEMU loadvm',
    ours,
    floor: theirs,
    unit: 'us',
    bar: { at: 'most', ratio: 1 / 40 },
    note: 'the same guest, 256 MiB',
  };
}

export const ROLLBACK_BENCHES: readonly Bench[] = [
  { name: 'rollback', run: () => rollback(256) },
  { name: 'rollback-ram', run: async () => [await byRam()] },
  { name: 'rollback-qemu', run: async () => [await againstQemu()] },
];
