/** Our side of a benchmark: a guest run the way the command line runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { load } from '../loaders/index.ts';
import { bootImage } from '../loaders/place.ts';
import { readImage } from '../loaders/read.ts';
import type { DiskConfig } from '../src/machine/disks.ts';
import { Machine } from '../src/machine/machine.ts';
import type { RunResult } from '../src/runner/result.ts';
import { RunningMachine } from '../src/runner/threads/running-machine.ts';
import { ROOT } from './native.ts';

/** Path of a guest of the project, as the build leaves it. */
export const guestProgram = (name: string): string => join(ROOT, 'guests', 'build', `${name}.elf`);

/** The command, as it is published. */
export const CLI = join(ROOT, 'dist', 'tools', 'bin', 'vmlapse.js');

/** Milliseconds from starting `vmlapse` to the first byte on its standard output. */
export async function commandMs(args: readonly string[]): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  await once(child.stdout, 'data');
  const ms = performance.now() - start;
  child.stdout.resume();
  const [status] = await ended;
  if (status !== 0) throw new Error(`vmlapse ${args.join(' ')} ended with ${status}`);
  return ms;
}

/** Arguments for Node that run a probe; see probe.ts. */
export const probeArgs = (name: string, ...args: readonly string[]): string[] => [
  join(ROOT, 'dist', 'bench', 'probe.js'),
  name,
  ...args,
];

/**
 * The same for what forks cost in memory. The young part of the heap is kept at its least: whether it grows to 16 MiB meanwhile
 * is chance.
 */
export const forkProbeArgs = (mib: number, forks: number, pages: number): string[] => [
  '--max-semi-space-size=1',
  ...probeArgs('forks', ...[mib, forks, pages].map(String)),
];

/** A machine with `memoryMib` of RAM and a guest image in it, ready to run. */
export function bootedMachine(path: string, memoryMib: number, disks: readonly DiskConfig[] = []): Machine {
  using file = readImage(path);
  const machine = Machine.create({ memory: memoryMib * 2 ** 20, disks });
  bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
  return machine;
}

/** Runs a guest on a vCPU thread until it ends; `seconds` is from letting it run to knowing the result. */
export async function runGuest(
  path: string,
  memoryMib: number,
  serial: (bytes: Uint8Array) => void,
  disks: readonly DiskConfig[] = [],
): Promise<{ readonly result: RunResult; readonly seconds: number }> {
  using machine = bootedMachine(path, memoryMib, disks);
  const running = await RunningMachine.start(machine, { serial });
  try {
    const start = performance.now();
    const result = await running.run();
    return { result, seconds: (performance.now() - start) / 1000 };
  } finally {
    await running.close();
  }
}
