/**
 * A process of its own for what can only be measured in one: `node dist/bench/probe.js NAME [ARGUMENT…]` does one thing
 * in a fresh Node and ends, printing one JSON value where there is something to tell.
 */
import { readFileSync } from 'node:fs';

/** The most memory this process ever had resident, in bytes (VmHWM, proc(5)). */
function memoryNow(): { peak: number } {
  const status = readFileSync('/proc/self/status', 'latin1');
  return { peak: Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024 };
}

const MIB = 2 ** 20;

/** What each probe does. Modules are loaded in the probe that needs them, since loading is part of what is measured. */
const PROBES: Readonly<Record<string, (args: readonly string[]) => Promise<unknown>>> = {
  /** Loads koffi and binds the libc functions. */
  koffi: () => import('../src/ffi/libc.ts').then(() => undefined),
  /** Loads everything `vmlapse run` loads. */
  modules: () => import('../tools/cli/commands/run.ts').then(() => undefined),
  /** The same, and creates a machine with so many MiB of RAM. */
  machine: async ([mib]) => {
    await import('../tools/cli/commands/run.ts');
    const { Machine } = await import('../src/machine/machine.ts');
    Machine.create({ memory: Number(mib) * MIB })[Symbol.dispose]();
  },
  /** Loads an ELF file into a machine: the memory the process had before and has after. */
  load: async ([file, mib]) => {
    const { Machine } = await import('../src/machine/machine.ts');
    const { load } = await import('../loaders/index.ts');
    const { bootImage } = await import('../loaders/place.ts');
    const { readImage } = await import('../loaders/read.ts');
    using machine = Machine.create({ memory: Number(mib) * MIB });
    const before = memoryNow();
    using image = readImage(file ?? '');
    bootImage(machine, load(image.bytes, { memoryMap: machine.memory.memoryMap }), image.release);
    return { before, after: memoryNow() };
  },
  /** Forks of a machine of so many MiB, how many, and pages each writes: how memory grows. */
  forks: async ([mib, forks, pages]) => {
    const { forkGrowth } = await import('./fork-memory.ts');
    return forkGrowth(Number(mib), Number(forks), Number(pages));
  },
};

const [name = '', ...args] = process.argv.slice(2);
const told = await PROBES[name]?.(args);
if (told !== undefined) process.stdout.write(JSON.stringify(told));
