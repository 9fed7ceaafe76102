/** For vitest's globalSetup: speed is measured before, and no process may be left after a run. */
import { readdirSync, readFileSync } from 'node:fs';
import { scaled } from './time.ts';

/** In the environment of everything that a run starts. */
const MARK = 'VMLAPSE_TEST_RUN';
/** What a process that was told to end may take for it. */
const PATIENCE_MS = 5000;
const WORKER = /\/vitest\/|\bvitest\b.*worker/;

/** A process of this run. */
export interface LeftOver {
  readonly pid: number;
  readonly command: string;
}

const read = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return ''; // it has ended meanwhile, or is another user's
  }
};

/** Processes with the mark in their environment, other than this one and vitest's own workers. */
export function leftOver(mark: string): LeftOver[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => read(pid, 'environ').split('\0').includes(`${MARK}=${mark}`))
    .map((pid) => ({ pid: Number(pid), command: read(pid, 'cmdline').replaceAll('\0', ' ').trim() }))
    .filter(({ command }) => command !== '' && !WORKER.test(command));
}

/** Marks what is started from here on; what is left of it in the end is killed, and fails the run. */
export default function setup(): () => Promise<void> {
  const mark = `${process.pid}-${Date.now()}`;
  process.env[MARK] = mark;
  return async () => {
    const deadline = performance.now() + scaled(PATIENCE_MS);
    let left = leftOver(mark);
    while (left.length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      left = leftOver(mark);
    }
    for (const { pid } of left) process.kill(pid, 'SIGKILL');
    if (left.length === 0) return;
    // vitest prints an error that comes at this time, and passes all the same.
    process.exitCode = 1;
    const list = left.map(({ pid, command }) => `${pid}: ${command.slice(0, 200)}`).join('\n');
    throw new Error(`tests have left processes running, which are killed now:\n${list}`);
  };
}
