/**
 * Test files, or cases of a campaign, on the second host: what it says is passed on, and one that stands still is ended, and
 * the rest begun on another.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
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
  /** Takes each line, but for the sum. */
  readonly say: (line: string) => void;
}

/** How often what runs on a host says that it is alive, and how long the host may say nothing, its own start included. */
export const ALIVE_MS = 5000;
export const STANDSTILL_MS = 90_000;

const FAILED: Counts = { passed: 0, failed: 1, skipped: 0 };
/** Hosts that may stand still while a file runs, until that file has failed. */
const TRIES = 3;

/** Runs them, and passes on what they say, but for the sum. A host that dies, or a file on which it stands still, is a failure. */
export async function runOnHost(run: HostRun): Promise<Counts> {
  const counted: Counts[] = [];
  let left = run.files;
  let tries = 0;
  while (left.length > 0) {
    const { sum, done } = await once(run, left);
    if (sum) return sumOf([...counted, sum]);
    counted.push(...done);
    tries = done.length === 0 ? tries + 1 : 1;
    const isOver = new Set(done.map(({ file }) => file));
    left = left.filter((file) => !isOver.has(file));
    const still = `the host has said nothing for ${run.silenceMs / 1000} s`;
    if (tries < TRIES) run.say(`${still}: it goes on with ${left[0]} on another`);
    else {
      run.say(`FAILED ${left[0]}: ${still}, ${TRIES} times`);
      counted.push(FAILED);
      left = left.slice(1);
      tries = 0;
    }
  }
  return sumOf(counted);
}

/** The sum, or what was over when the host stood still. */
interface Part {
  readonly sum?: Counts;
  readonly done: readonly Omit<FileCounts, 'seconds'>[];
}

function once({ script, args, silenceMs, say }: HostRun, files: readonly string[]): Promise<Part> {
  const host = spawn(script, args(files), { stdio: ['ignore', 'pipe', 'inherit'] });
  const done: Omit<FileCounts, 'seconds'>[] = [];
  let sum: Counts | undefined;
  let isStill = false;
  const watch = setTimeout(() => {
    isStill = true;
    host.kill();
  }, silenceMs);
  createInterface({ input: host.stdout }).on('line', (line) => {
    watch.refresh();
    const file = parseFileLine(line);
    if (file) done.push(file);
    sum = parseCounts(line) ?? sum;
    if (!parseCounts(line) && line !== ALIVE) say(line);
  });
  return new Promise((resolve) => {
    host.on('error', (error) => say(`FAILED ${script}: ${error.message}`));
    host.on('close', (status) => {
      clearTimeout(watch);
      if (sum) return resolve({ sum, done });
      if (isStill) return resolve({ done });
      const file = files.find((one) => done.every(({ file }) => file !== one)) ?? script;
      say(`FAILED ${file}: the host ended with ${status} before its tests did`);
      resolve({ sum: sumOf([...done, FAILED]), done });
    });
  });
}
