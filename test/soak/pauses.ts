/**
 * A pause right after a resume, again and again, with delays between the steps of both sides:
 * `node dist/test/soak/pauses.js [pairs]`, by default 100,000 on each of 1, 2 and 4 vCPUs. No counter of the guest may
 * move while it is paused. With `--unchecked` behind the number the threads have a race, which is to be found.
 */
import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { devicesFrom } from '../../src/devices/own.ts';
import { eventually, startGuest } from '../runner/machines.ts';
import { countArgument, soak, type Verdicts } from './verdicts.ts';

const DELAYS = new URL('./delays.js', import.meta.url).href;
const UNCHECKED = new URL('./unchecked.js', import.meta.url).href;
/** With a module of devices, threads load the library module by module: what is changed in one is changed for them. */
const MODULES = new URL('data:text/javascript,export default []');
const PAIRS = countArgument(100_000);
/**
 * How long to look at a paused guest, in milliseconds, and how often much longer. A thread that goes on into the guest
 * may be delayed before it does.
 */
const LOOK_MS = 0.5;
const LONG_LOOK_MS = 5;
const LONG_LOOK_EVERY = 100;
/** Pairs between two turns of the event loop. */
const TURN_EVERY = 500;

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function pauses(cpus: number, verdicts: Verdicts): Promise<void> {
  const others = process.execArgv.includes(UNCHECKED) ? { devices: await devicesFrom(MODULES) } : {};
  const guest = await startGuest(`checksum-writer-${cpus}`, {}, {}, others);
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

/** Whether modules loaded by --import are in worker threads, too. */
function areThreadsDelayed(): Promise<boolean> {
  const worker = new Worker(new URL('./delayed-thread.js', import.meta.url));
  return new Promise((resolve) => worker.once('message', resolve));
}

if (process.execArgv.includes(DELAYS)) {
  await soak('pauses', async (verdicts) => {
    verdicts.check('threads are delayed', await areThreadsDelayed());
    for (const cpus of [1, 2, 4]) await pauses(cpus, verdicts);
  });
} else {
  const modules = process.argv.includes('--unchecked') ? [DELAYS, UNCHECKED] : [DELAYS];
  const args = [...modules.flatMap((module) => ['--import', module]), ...process.argv.slice(1)];
  const again = spawnSync(process.execPath, args, { stdio: 'inherit' });
  process.exitCode = again.status ?? 1;
}
