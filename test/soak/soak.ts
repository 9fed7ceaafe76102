/**
 * Live checkpoints back to back, with a ring of the last ones and a rollback now and then, as a machine that is recorded
 * for an hour sees them: `node dist/test/soak/soak.js [checkpoints]`, by default 20,000. Nothing may grow.
 */
import { stampProblems } from '../../guests/invariants.ts';
import { guestSymbols, readGuest } from '../../guests/symbols.ts';
import { LiveSession } from '../../snapshot/live/live-session.ts';
import { restoreMachine } from '../../snapshot/restore.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { openStore, type Store } from '../../snapshot/store/store.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { eventually, type StartedGuest, startGuest } from '../runner/machines.ts';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { growth, MOST_GROWTH, quantile, type Sample, sample } from './samples.ts';
import { countArgument, soak, type Verdicts } from './verdicts.ts';

const CHECKPOINTS = countArgument(20_000);
/** Before anything is measured: caches fill, and the compilers do their work. */
const WARM_UP = 500;
const KEEP = 16;
const SAMPLES = 40;
const PROGRESS_LINES = 10;
const ROLLBACK_EVERY = 50;
/** The guest stamps random pages of this many, 16 MiB of RAM in all. */
const SPAN = 64;
const BASE = 0x40_0000;
const ITERATION = guestSymbols(readGuest('stamp')).get('stamp_iteration')!.address;

interface Soaked extends StartedGuest {
  readonly live: LiveSession;
  readonly store: Store;
  readonly verdicts: Verdicts;
}

await soak('live checkpoints', async (verdicts) => {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  const guest = await startGuest('stamp', { param_span: SPAN, param_pages: 1 });
  await using started = guest.started;
  const { running } = started;
  const live = await LiveSession.start(running, store);
  const ended = running.run();
  try {
    const last = await takeAll({ ...guest, live, store, verdicts });
    running.stop();
    verdicts.check('the guest ran to the end', (await ended).reason === 'interrupted');
    const { problems, checkpoints } = store.verify();
    verdicts.check(
      'the store verifies',
      problems.length === 0,
      `${checkpoints} checkpoints, ${problems.length} problems`,
    );
    verdicts.check('the ring was kept', checkpoints <= KEEP + 1, `${checkpoints} checkpoints`);
    await checkRestored(store, last, verdicts);
  } finally {
    await live.close();
  }
});

/** The soak itself; the answer is the last checkpoint. */
async function takeAll({ live, store, verdicts, started, counter }: Soaked): Promise<Digest> {
  const kept: Digest[] = [];
  const samples: Sample[] = [];
  const took = new Float64Array(CHECKPOINTS); // outside the heap that is measured
  const pauses = new Float64Array(CHECKPOINTS);
  let opened: Checkpoint | undefined;
  let wrong = 0;
  const began = performance.now();
  for (let i = 1 - WARM_UP; i <= CHECKPOINTS; i++) {
    const start = performance.now();
    const surplus = kept.slice(0, Math.max(0, kept.length - KEEP + 1));
    const report = await live.checkpoint({}, surplus);
    if (report.notRemoved) throw report.notRemoved;
    kept.splice(0, surplus.length);
    kept.push(report.digest);
    if (i < 1) continue;
    took[i - 1] = performance.now() - start;
    pauses[i - 1] = report.stats.pauseUs! / 1000;
    if (i % ROLLBACK_EVERY === 0) {
      const back = store.open(kept.at(-1 - ((i / ROLLBACK_EVERY) % (KEEP / 2)))!);
      live.session.rollback(back);
      if (impossible(started.machine, counter('stamp_iteration')) > 0) wrong++;
      opened?.[Symbol.dispose]();
      opened = back;
      started.running.resume();
    }
    if (i % Math.ceil(CHECKPOINTS / SAMPLES) === 0) samples.push(sample(store.directory));
    if (i % Math.ceil(CHECKPOINTS / PROGRESS_LINES) === 0) tell(i, performance.now() - began, samples.at(-1));
  }
  opened?.[Symbol.dispose]();
  console.log(
    `checkpoints: median ${quantile(took, 0.5).toFixed(2)} ms, p99 ${quantile(took, 0.99).toFixed(2)} ms; ` +
      `pause: median ${quantile(pauses, 0.5).toFixed(2)} ms, p99 ${quantile(pauses, 0.99).toFixed(2)} ms`,
  );
  verdicts.check('no rollback left stamps from its future', wrong === 0, `${wrong} did`);
  for (const what of ['fds', 'maps', 'rss', 'heap', 'store'] as const) {
    const more = growth(samples, what);
    verdicts.check(
      `${what} do not grow`,
      more <= MOST_GROWTH[what],
      `${more} more, ${samples.at(-1)![what]} at the end`,
    );
  }
  return kept.at(-1)!;
}

/** Pages with stamps of iterations that are still to come. */
function impossible({ memory }: Machine, now: number): number {
  const check = { base: BASE, span: SPAN, since: 0, now, isDirty: () => true };
  return stampProblems((gpa, length) => memory.read(gpa, length), check).impossible.length;
}

function tell(done: number, ms: number, latest: Sample | undefined): void {
  const { fds = 0, maps = 0, rss = 0, heap = 0, store = 0 } = latest ?? {};
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  console.log(
    `${done} checkpoints in ${(ms / 1000).toFixed(0)} s: ${fds} fds, ${maps} maps, rss ${mib(rss)}, heap ${mib(heap)}, store ${mib(store)}`,
  );
}

/** The last checkpoint comes back and goes on. */
async function checkRestored(store: Store, last: Digest, verdicts: Verdicts): Promise<void> {
  using checkpoint = store.open(last);
  const { machine, load } = restoreMachine(checkpoint);
  using _machine = machine;
  const running = await RunningMachine.start(machine);
  try {
    load(running);
    const at = () => Number(machine.memory.readUint(ITERATION, 8));
    const before = at();
    verdicts.check('the last checkpoint restores whole', before > 0 && impossible(machine, before) === 0);
    const ended = running.run();
    await eventually('the restored guest goes on', () => at() > before + 2);
    running.stop();
    await ended;
    verdicts.check('and goes on', impossible(machine, at()) === 0, `from iteration ${before} to ${at()}`);
  } finally {
    await running.close();
  }
}
