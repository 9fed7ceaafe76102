/**
 * A pause right after a resume, again and again, with delays between the steps of both sides:
 * `node dist/test/soak/pauses.js [pairs]`, by default 100,000 on each of 1, 2 and 4 vCPUs. No counter of the guest may
 * move while it is paused.
 */
import { spawnSync } from 'node:child_process';
import { eventually, startGuest } from '../runner/machines.ts';
import { countArgument, soak, type Verdicts } from './verdicts.ts';

const DELAYS = new URL('./delays.js', import.meta.url).href;
const PAIRS = countArgument(100_000);
/** How long to look at a paused guest, in milliseconds, and how often much longer. */
const LOOK_MS = 0.02;
const LONG_LOOK_MS = 5;
const LONG_LOOK_EVERY = 100;
/** Pairs between two turns of the event loop. */
const TURN_EVERY = 500;

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function pauses(cpus: number, verdicts: Verdicts): Promise<void> {
  const guest = await startGuest(`checksum-writer-${cpus}`);
  await using started = guest.started;
  const { running } = started;
  const counters = () => Array.from({ length: cpus }, (_, cpu) => guest.counter('checksum_position', cpu));
  const ended = running.run();
  await eventually('each processor counts', () => counters().every((count) => count > 0), 60_000);
  const first = counters();
  let moves = 0;
  running.pause();
  for (let pair = 1; pair <= PAIRS; pair++) {
    running.resume();
    if (Math.random() < 0.5) spin(Math.random() * 0.1);
    running.pause();
    const before = counters();
    spin(pair % LONG_LOOK_EVERY === 0 ? LONG_LOOK_MS : LOOK_MS);
    if (counters().some((count, cpu) => count !== before[cpu])) moves++;
    if (pair % TURN_EVERY === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const steps = counters().map((count, cpu) => count - first[cpu]!);
  const detail = `${PAIRS} pairs, ${moves} moves while paused; counted on by ${steps.join(', ')}`;
  verdicts.check(`${cpus} vCPUs: nothing moves while paused`, moves === 0 && steps.some((step) => step > 0), detail);
  running.stop();
  await ended;
}

if (process.execArgv.includes(DELAYS)) {
  await soak('pauses', async (verdicts) => {
    for (const cpus of [1, 2, 4]) await pauses(cpus, verdicts);
  });
} else {
  const again = spawnSync(process.execPath, ['--import', DELAYS, ...process.argv.slice(1)], { stdio: 'inherit' });
  process.exitCode = again.status ?? 1;
}
