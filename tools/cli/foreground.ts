/** Whether the terminal is this process's to use: a job in the background that touches it is stopped by the kernel. */
import { readFileSync } from 'node:fs';

const PROCESS_GROUP = 2;
const TERMINAL = 4;
const TERMINAL_GROUP = 5;

/** Whether this process is in the foreground of its terminal, by /proc/self/stat (proc(5)); `stat` is for tests. */
export function inForeground(stat = readStat()): boolean {
  if (stat === undefined) return true;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // the name before may hold anything
  return fields[TERMINAL] === '0' || fields[PROCESS_GROUP] === fields[TERMINAL_GROUP];
}

/** Whether a person at this terminal sees the messages and types: the standard streams are a terminal in the foreground. */
export const isInteractive = (): boolean =>
  [process.stdin, process.stdout, process.stderr].every(({ isTTY }) => isTTY) && inForeground();

function readStat(): string | undefined {
  try {
    return readFileSync('/proc/self/stat', 'latin1');
  } catch {
    return undefined;
  }
}
