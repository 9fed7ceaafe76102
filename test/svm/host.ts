/**
 * Test files, or cases of a campaign, on the second host: what it says is passed on, and one that stands still is ended, and
 * the rest begun on another.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { scaled } from '../support/time.ts';
import { ALIVE, type Counts, type FileCounts, parseCounts, parseFileLine, sumOf } from './counts.ts';

/** Files, and the command that runs them on a host, in their order. */
export interface HostRun {
  /** Or what else is said to be over by a line of a file ({@link parseFileLine}). */
  readonly files: readonly string[];
  readonly script: string;
  readonly args: (files: readonly string[]) => readonly string[];
  /**
   * After so many milliseconds without a line the host stands still: what runs there says that it is alive. An emulated
   * processor may lose its timer, and then nothing on that host wakes up any more.
   */
  readonly silenceMs: number;
  /** The same before its first line: its own start is bounded by the script. */
  readonly startMs: number;
  /** Takes each line, but for the sum. */
  readonly say: (line: string) => void;
}

/** How often what runs on a host says that it is alive, and how long the host may say nothing. */
export const ALIVE_MS = 5000;
export const STANDSTILL_MS = scaled(90_000);
/** The same for its first word: where nothing is there yet, it fetches packages before it starts, and says nothing of it. */
export const START_MS = scaled(300_000);

const FAILED: Counts = { passed: 0, failed: 1, skipped: 0 };
/** Hosts that may stand still while a file runs, until that file has failed. */
const TRIES = 3;

/** Runs them, and passes on what they say, but for the sum. A host that dies, or a file on which it stands still, is a failure. */
export async function runOnHost(run: HostRun): Promise<Counts> {
  const counted: Counts[] = [];
  let left = run.files;
  let tries = 0;
  while (left.length > 0) {
    const { sum, done, died, quietMs = 0 } = await once(run, left);
    if (sum) return sumOf([...counted, sum]);
    counted.push(...done);
    tries = done.length === 0 ? tries + 1 : 1;
    const isOver = new Set(done.map(({ file }) => file));
    left = left.filter((file) => !isOver.has(file));
    if (died !== undefined) return sumOf([...counted, ...ofTheDead(run, left, died)]);
    const still = `the host has said nothing for ${quietMs / 1000} s`;
    if (left.length === 0) run.say(`${still} when all was over`);
    else if (tries < TRIES) run.say(`${still}: it goes on with ${left[0]} on another`);
    else {
      run.say(`FAILED ${left[0]}: ${still}, ${TRIES} times`);
      counted.push(FAILED);
      left = left.slice(1);
      tries = 0;
    }
  }
  return sumOf(counted);
}

/** What had begun when a host died has failed. The rest is said and counted, too. */
function ofTheDead({ script, say }: HostRun, [file = script, ...rest]: readonly string[], died: string): Counts[] {
  say(`FAILED ${file}: the host ended with ${died} before its tests did`);
  if (rest.length > 0) say(`skipped, as the host had ended before: ${rest.join(' ')}`);
  return [FAILED, { passed: 0, failed: 0, skipped: rest.length }];
}

/** The sum, or what was over when the host stood still, or died. */
interface Part {
  readonly sum?: Counts;
  /** By what status or signal it ended without being asked to. */
  readonly died?: string;
  /** How long it had said nothing when it was ended. */
  readonly quietMs?: number;
  readonly done: readonly Omit<FileCounts, 'seconds'>[];
}

function once({ script, args, silenceMs, startMs, say }: HostRun, files: readonly string[]): Promise<Part> {
  const host = spawn(script, args(files), { stdio: ['ignore', 'pipe', 'inherit'] });
  const done: Omit<FileCounts, 'seconds'>[] = [];
  let sum: Counts | undefined;
  let quietMs: number | undefined;
  const endAfter = (ms: number) =>
    setTimeout(() => {
      quietMs = ms;
      host.kill();
    }, ms);
  let watch = endAfter(startMs);
  createInterface({ input: host.stdout }).on('line', (line) => {
    clearTimeout(watch);
    watch = endAfter(silenceMs);
    const file = parseFileLine(line);
    if (file) done.push(file);
    sum = parseCounts(line) ?? sum;
    if (!parseCounts(line) && line !== ALIVE) say(line);
  });
  return new Promise((resolve) => {
    host.on('error', (error) => say(`FAILED ${script}: ${error.message}`));
    host.on('close', (status, signal) => {
      clearTimeout(watch);
      resolve({ done, ...(sum ? { sum } : quietMs !== undefined ? { quietMs } : { died: `${status ?? signal}` }) });
    });
  });
}
