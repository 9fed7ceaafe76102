/** What forks cost in memory. To be measured in a process of its own: see probe.ts. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ForkTemplate } from '../snapshot/fork.ts';
import { CheckpointSession } from '../snapshot/session.ts';
import type { Store } from '../snapshot/store/store.ts';
import { Machine } from '../src/machine/machine.ts';
import { PAGE_SIZE } from '../src/memory/bitmap.ts';
import { LocalMachine } from '../src/runner/local-machine.ts';
import { withStore } from './checkpoint-lab.ts';

/** Proportional set sizes in bytes: what of the process's memory is its own, shared pages being divided. */
export interface Growth {
  /** With the template and the forks made for warming up. */
  readonly before: number;
  readonly forked: number;
  /** After each has written its pages. */
  readonly written: number;
  /** Bytes by which the forks lowered the memory the whole host has left: with what the kernel holds for their VMs. */
  readonly hostForked: number;
}

const MIB = 2 ** 20;
/** Where the writes begin. */
const AREA = MIB;

/**
 * Makes `forks` forks of a machine of `mib` MiB whose RAM is half full, each of which then writes `pages` pages. As many
 * are made before the first look: what the engine takes for compiled code and for its heap to settle is not the price
 * of a fork.
 */
export function forkGrowth(mib: number, forks: number, pages: number): Promise<Growth> {
  return withStore((store) => {
    using template = makeTemplate(store, mib);
    const warmUp = Array.from({ length: forks }, () => forkOne(template));
    const [before, hostBefore] = [pss(), hostMemoryLeft()];
    const measured = Array.from({ length: forks }, () => forkOne(template));
    const [forked, hostForked] = [pss(), hostBefore - hostMemoryLeft()];
    const page = new Uint8Array(PAGE_SIZE).fill(7);
    for (const { machine } of measured)
      for (let i = 0; i < pages; i++) machine.memory.write(AREA + i * PAGE_SIZE, page);
    const written = pss();
    for (const { machine, local } of [...warmUp, ...measured]) {
      local[Symbol.dispose]();
      machine[Symbol.dispose]();
    }
    return { before, forked, written, hostForked };
  });
}

/** A machine of which half the RAM holds something, as a template. */
function makeTemplate(store: Store, mib: number): ForkTemplate {
  using machine = Machine.create({ memory: mib * MIB });
  const chunk = new Uint8Array(MIB);
  for (let i = 1; i < mib / 2; i++) machine.memory.write(i * MIB, chunk.fill(i));
  using local = new LocalMachine(machine);
  using session = new CheckpointSession(local, store);
  using checkpoint = store.open(session.checkpoint().digest);
  return new ForkTemplate(checkpoint);
}

function forkOne(template: ForkTemplate) {
  const { machine, load } = template.fork();
  const local = new LocalMachine(machine);
  load(local);
  return { machine, local };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const kibOf = (file: string, name: string) =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(file, 'latin1'))?.[1]);

/**
 * PSS of the process in bytes (proc(5), smaps_rollup) after a garbage collection. Without pages of files on a disk: those of
 * the program of Node are shared by all processes that run it, so that each has less of them when another starts.
 */
function pss(): number {
  collectGarbage();
  return (kibOf('/proc/self/smaps_rollup', 'Pss_Anon') + kibOf('/proc/self/smaps_rollup', 'Pss_Shmem')) * 1024;
}

const hostMemoryLeft = () => kibOf('/proc/meminfo', 'MemAvailable') * 1024;
