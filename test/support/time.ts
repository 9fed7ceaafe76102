/**
 * How long things may take on this host, now. A limit in a test is there to end what hangs, so it is for an idle machine
 * and stretched by a factor: that which the environment gives, or one that the first process of a run measures as it begins.
 */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';

/** A start of Node and some work in JavaScript, once on each processor: what most tests consist of. */
const WORK = 'let x = 1; for (let i = 0; i < 12e6; i++) x = (x * 31 + i) | 0; process.exitCode = x === 0.5 ? 1 : 0;';
/** Milliseconds for it on an idle machine of the usual kind. */
const USUAL_MS = 150;
const MOST = 20;

const workedOnce = () =>
  new Promise<void>((done, failed) => {
    execFile(process.execPath, ['-e', WORK], (error) => (error ? failed(error) : done()));
  });

/** The factor as it is now. Load comes and goes, so the slower of two looks counts. */
async function measuredFactor(): Promise<number> {
  let longest = 0;
  for (let look = 0; look < 2; look++) {
    const start = performance.now();
    await Promise.all(Array.from({ length: availableParallelism() }, workedOnce));
    longest = Math.max(longest, performance.now() - start);
  }
  return Math.min(MOST, Math.max(1, Math.round((longest / USUAL_MS) * 10) / 10));
}

if (process.env.TEST_TIME_FACTOR === undefined) {
  const factor = await measuredFactor();
  // Whatever this process starts shall go by the same.
  process.env.TEST_TIME_FACTOR = String(factor);
  if (factor > 1) console.log(`limits of tests are ${factor} times as long as on an idle machine`);
}

/** How many times slower than an idle machine of the usual kind this one is taken to be. At least 1. */
export const TIME_FACTOR = Math.max(1, Number(process.env.TEST_TIME_FACTOR) || 1);

/** The same for a host whose processor is emulated on this one. */
export const EMULATED_TIME_FACTOR = 4 * TIME_FACTOR;

/** Starting a process or a thread takes seconds here: a few guests stand for all. The runner for such a host says so. */
export const SLOW_HOST = process.env.TEST_SLOW_HOST === '1';

/** Milliseconds on this host for what takes `ms` on an idle one of the usual kind. */
export const scaled = (ms: number): number => Math.ceil(ms * TIME_FACTOR);
