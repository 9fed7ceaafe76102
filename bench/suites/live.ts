/** Live checkpoints: how long the guest stands still, and how much slower it gets. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { type Bench, Skip } from '../bench.ts';
import { withStore } from '../checkpoint-lab.ts';
import { median } from '../measure.ts';
import { dirtyGuest, runFloor } from '../native.ts';
import { bootedMachine } from '../ours.ts';
import { downtimeMs, type LiveSnapshot } from '../qemu-snapshots.ts';
import type { Result } from '../report.ts';

const MEMORY_MIB = 256;
const WARM_UP = 40;
const CHECKPOINTS = 60;
const KICKS = 1000;
const QEMU_SNAPSHOTS = 5;

/** Where bench/guests/dirty.S counts its rounds. */
const ROUNDS_GPA = 0xf0_0000;

/** Runs `use` while the guest dirties its pages over and over. */
async function withRunning<T>(pages: number, use: (running: RunningMachine) => Promise<T>): Promise<T> {
  using machine = bootedMachine(dirtyGuest({ pages, stride: 1, mark: false }), MEMORY_MIB);
  const running = await RunningMachine.start(machine);
  try {
    const ended = running.run();
    await rounds(running, 2);
    const result = await use(running);
    running.stop();
    await ended;
    return result;
  } finally {
    await running.close();
  }
}

/** Waits until the guest has gone through `more` further rounds: all its pages are dirty again. */
async function rounds({ machine: { memory } }: RunningMachine, more: number): Promise<void> {
  const wanted = memory.readUint(ROUNDS_GPA, 8) + BigInt(more);
  while (memory.readUint(ROUNDS_GPA, 8) < wanted) await sleep(1);
}

/** Medians of the pause of live checkpoints and of the pages copied in it. */
const pauses = (pages: number) =>
  withRunning(pages, (running) =>
    withStore(async (store) => {
      const live = await LiveSession.start(running, store);
      const taken: { us: number; pages: number }[] = [];
      for (let i = 0; i < WARM_UP + CHECKPOINTS; i++) {
        await rounds(running, 2);
        const { stats } = await live.checkpoint();
        if (i >= WARM_UP) taken.push({ us: stats.pauseUs ?? Number.NaN, pages: stats.pausedPages ?? 0 });
      }
      await live.close();
      return { us: median(taken.map((t) => t.us)), pages: median(taken.map((t) => t.pages)) };
    }),
  );

interface StopCopy {
  readonly pauseUs: number;
  readonly pages: number;
}

/** Against the same in C: the same guest, the same policy of pre-copy, then stop and copy what is left. */
async function pause(pages: number): Promise<Result> {
  const ours = await pauses(pages);
  const guest = dirtyGuest({ pages, stride: 1, mark: false });
  const floor = runFloor<StopCopy>('stop-copy', [guest, MEMORY_MIB, CHECKPOINTS]);
  return {
    name: `live pause: ${pages} pages an interval`,
    ours: ours.us,
    floor: floor.pauseUs,
    unit: 'us',
    bar: { at: 'most', ratio: 1.5 },
    note: `${ours.pages} pages were copied in the pause, in C ${floor.pages}`,
  };
}

/** The other way, in C alone: userfaultfd write protection against pre-copy, which snapshot/live does. */
function writeProtect(pages: number): Result {
  if (process.getuid?.() !== 0) throw new Skip('userfaultfd answers faults of the kernel for root only');
  const guest = dirtyGuest({ pages, stride: 1, mark: false });
  const [wp, precopy] = (['wp-pause', 'stop-copy'] as const).map((floor) =>
    runFloor<StopCopy>(floor, [guest, MEMORY_MIB, CHECKPOINTS]),
  ) as [StopCopy, StopCopy];
  return {
    name: `in C: userfaultfd against pre-copy, ${pages} pages`,
    ours: wp.pauseUs,
    floor: precopy.pauseUs,
    unit: 'us',
    note: 'above 1: pre-copy has the shorter pause, which is why it is the way taken',
  };
}

async function againstQemu(pages: number, how: LiveSnapshot, ratio: number): Promise<Result> {
  const ours = await pauses(pages);
  const guest = dirtyGuest({ pages, stride: 1, mark: false });
  const theirs = median(await downtimeMs(guest, MEMORY_MIB, how, QEMU_SNAPSHOTS)) * 1000;
  return {
    name: `live pause against QEMU ${how}, ${pages} pages`,
    ours: ours.us,
    floor: theirs,
    unit: 'us',
    bar: { at: 'most', ratio },
    note: 'the downtime QEMU reports, in whole milliseconds',
  };
}

async function kick(): Promise<Result> {
  const pages = 64;
  const ours = await withRunning(pages, async (running) => {
    const samples: number[] = [];
    for (let i = 0; i < KICKS; i++) {
      const start = performance.now();
      running.pause();
      samples.push((performance.now() - start) * 1000);
      running.resume();
      await sleep(1); // else it would be paused again before it has entered the guest
    }
    return median(samples.slice(KICKS / 4));
  });
  const guest = dirtyGuest({ pages, stride: 1, mark: false });
  const floor = runFloor<{ readonly kickUs: number }>('kick', [guest, MEMORY_MIB, KICKS]);
  return { name: 'kick to paused', ours, floor: floor.kickUs, unit: 'us', bar: { at: 'most', ratio: 2 } };
}

const SLICE_MS = 1000;
const SLICES = 5;

/** Percent of rounds lost while checkpoints are taken, in slices with and without. */
const slowdown = (perSecond: number) =>
  withRunning(64, (running) =>
    withStore(async (store) => {
      const live = await LiveSession.start(running, store);
      const { memory } = running.machine;
      for (let i = 0; i < WARM_UP; i++) await live.checkpoint();
      const slice = async (checkpoints: boolean) => {
        const before = memory.readUint(ROUNDS_GPA, 8);
        const start = performance.now();
        for (let next = start; performance.now() - start < SLICE_MS; ) {
          next += 1000 / perSecond;
          if (checkpoints) await live.checkpoint();
          await sleep(Math.max(0, Math.min(next, start + SLICE_MS) - performance.now()));
        }
        return Number(memory.readUint(ROUNDS_GPA, 8) - before) / (performance.now() - start);
      };
      const percents: number[] = [];
      for (let i = 0; i < SLICES; i++) {
        const free = await slice(false);
        percents.push(100 * (1 - (await slice(true)) / free));
      }
      await live.close();
      return median(percents);
    }),
  );

async function guestSlowdown(perSecond: number): Promise<Result> {
  const ours = await slowdown(perSecond);
  const guest = dirtyGuest({ pages: 64, stride: 1, mark: false });
  const args = [guest, MEMORY_MIB, perSecond, SLICE_MS, SLICES];
  const floor = runFloor<{ readonly slowdownPercent: number }>('slowdown', args).slowdownPercent;
  const note = `${ours.toFixed(1)} % against ${floor.toFixed(1)} %: at most 3 percentage points more is wanted`;
  return { name: `guest slowdown at ${perSecond}/s`, ours, floor, unit: '%', note };
}

export const LIVE_BENCHES: readonly Bench[] = [
  { name: 'live-pause', run: async () => [await pause(64), await pause(1024), await pause(10_000)] },
  { name: 'live-write-protect', run: async () => [writeProtect(64), writeProtect(1024), writeProtect(10_000)] },
  {
    name: 'live-qemu',
    run: async () => [await againstQemu(1024, 'migrate', 1 / 20), await againstQemu(1024, 'background-snapshot', 1)],
  },
  { name: 'kick', run: async () => [await kick()] },
  { name: 'slowdown', run: async () => [await guestSlowdown(1), await guestSlowdown(10), await guestSlowdown(40)] },
];
