/**
 * Forks many machines in a process of its own, and prints how its memory has grown: `node fork-child.js MIB FORKS PAGES`
 * for forks of a machine of MIB MiB whose RAM is half full, each of which writes PAGES pages. JSON. As many forks are made
 * before the first look: what the engine takes for compiled code and for its heap to settle is not the price of a fork.
 */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { openStore } from '../../snapshot/store/store.ts';
import { Machine } from '../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { temporaryDirectory } from './store/support.ts';

/** Proportional set sizes in bytes: what of the process's memory is its own, shared pages being divided. */
export interface Growth {
  /** With the template and the forks made for warming up. */
  readonly before: number;
  readonly forked: number;
  /** After each has written its pages. */
  readonly written: number;
}

const [mib, forks, pages] = process.argv.slice(2).map(Number) as [number, number, number];
const AREA = 2 ** 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** PSS of the process (/proc/PID/smaps_rollup) after a garbage collection. */
function pss(): number {
  collectGarbage();
  const kib = /^Pss:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1];
  return Number(kib) * 1024;
}

using directory = temporaryDirectory();
using store = openStore(directory.path, { create: true });
const template = makeTemplate();
const started: { machine: Machine; local: LocalMachine }[] = [];

const forkOne = () => {
  const { machine, load } = template.fork();
  const local = new LocalMachine(machine);
  load(local);
  return { machine, local };
};

for (let i = 0; i < forks; i++) started.push(forkOne());
const before = pss();
for (let i = 0; i < forks; i++) started.push(forkOne());
const forked = pss();
const page = new Uint8Array(PAGE_SIZE).fill(7);
for (const { machine } of started.slice(forks))
  for (let i = 0; i < pages; i++) machine.memory.write(AREA + i * PAGE_SIZE, page);
const written = pss();
process.stdout.write(JSON.stringify({ before, forked, written } satisfies Growth));

for (const { machine, local } of started) {
  local[Symbol.dispose]();
  machine[Symbol.dispose]();
}
template[Symbol.dispose]();

/** The forked machine: half of its RAM holds something. */
function makeTemplate(): ForkTemplate {
  using machine = Machine.create({ memory: mib * 2 ** 20 });
  const chunk = new Uint8Array(2 ** 20);
  for (let i = 1; i < mib / 2; i++) {
    chunk.fill(i);
    machine.memory.write(AREA + i * chunk.length, chunk);
  }
  using local = new LocalMachine(machine);
  using session = new CheckpointSession(local, store);
  using checkpoint = store.open(session.checkpoint().digest);
  return new ForkTemplate(checkpoint);
}
