/** Forks: how soon one runs, against starting the guest anew as a user would; and what many cost in memory. */
import { execFileSync } from 'node:child_process';
import { ForkTemplate } from '../../snapshot/fork.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Store } from '../../snapshot/store/store.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import type { Bench } from '../bench.ts';
import { withStore } from '../checkpoint-lab.ts';
import type { Growth } from '../fork-memory.ts';
import { interleave } from '../measure.ts';
import { bootedMachine, commandMs, forkProbeArgs, guestProgram } from '../ours.ts';
import type { Result } from '../report.ts';

const ROUNDS = 25;
const RAM_MIB = 128;
const GUEST = 'hello-multiboot';
const AT_EXIT: RunEnd = { reason: 'stop-point' };
const EXIT_MS = 5000;
const MIB = 2 ** 20;

const served = () => AT_EXIT;

/** A machine in this thread, let run to its next exit: the first sign of what the guest executes. */
function runToExit(machine: Machine, load?: (local: LocalMachine) => void): LocalMachine {
  const local = new LocalMachine(machine, { served });
  load?.(local);
  if (local.advance(EXIT_MS) !== AT_EXIT) throw new Error('the guest came to no exit');
  return local;
}

/** A checkpoint of the guest standing behind its first exit, under the guest's name. */
export function checkpointOfGreeting(store: Store): Digest {
  using machine = bootedMachine(guestProgram(GUEST), RAM_MIB);
  using local = runToExit(machine);
  using session = new CheckpointSession(local, store);
  return session.checkpoint({ tags: [GUEST] }).digest;
}

function templateOf(store: Store): ForkTemplate {
  using checkpoint = store.open(checkpointOfGreeting(store));
  return new ForkTemplate(checkpoint);
}

/** Milliseconds from fork() to the fork's first exit, served in the calling thread. */
function forkHere(template: ForkTemplate): number {
  const start = performance.now();
  const { machine, load } = template.fork();
  using _machine = machine;
  using _local = runToExit(machine, load);
  return performance.now() - start;
}

/** The same to the first byte a fork with a thread of its own prints. */
async function forkThreaded(template: ForkTemplate): Promise<number> {
  const start = performance.now();
  const { machine, load } = template.fork();
  using _machine = machine;
  let printed = Number.NaN;
  const serial = () => {
    if (Number.isNaN(printed)) printed = performance.now();
  };
  const running = await RunningMachine.start(machine, { serial });
  try {
    load(running);
    await running.run();
    return printed - start;
  } finally {
    await running.close();
  }
}

/** Milliseconds from making a machine to its first exit, in this process. */
function bootHere(): number {
  const start = performance.now();
  using machine = bootedMachine(guestProgram(GUEST), RAM_MIB);
  using _local = runToExit(machine);
  return performance.now() - start;
}

const startBench = (): Promise<Result[]> =>
  withStore(async (store) => {
    using template = templateOf(store);
    const restore = ['restore', '--quiet', '--store', store.directory, GUEST, '--fork'];
    const ms = await interleave(ROUNDS, {
      here: () => forkHere(template),
      threaded: () => forkThreaded(template),
      cold: () => commandMs(['run', '--quiet', '--mem', `${RAM_MIB}M`, guestProgram(GUEST)]),
      boot: bootHere,
      one: () => commandMs([...restore, '1']),
      eight: () => commandMs([...restore, '8']),
    });
    const against = (name: string, ours: number, note: string): Result => {
      return { name: `fork: ${name}`, ours, floor: ms.cold, unit: 'ms', note };
    };
    const floor = 'floor: `vmlapse run` to the first byte it prints';
    return [
      {
        ...against('to its first exit', ms.here, `in the calling thread; ${floor}`),
        bar: { at: 'most', ratio: 0.25 },
      },
      against('to its first byte', ms.threaded, 'in a thread of its own, most of it the start of a Node worker'),
      against('a cold boot', ms.boot, 'for comparison: in this process and thread, to the first exit'),
      against('restore --fork 1', ms.one, 'the command, to the first byte it prints'),
      against('restore --fork 8', ms.eight, 'the command, to the first byte it prints'),
    ];
  });

const FORKS = 100;
const MEMORY_MIB = 256;
const PAGES = 256;
const MEMORY_LIMIT_MIB = 100;

async function memoryBench(): Promise<Result[]> {
  const args = forkProbeArgs(MEMORY_MIB, FORKS, PAGES);
  const growth = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Growth;
  const written = FORKS * PAGES * PAGE_SIZE;
  const name = `fork: memory of ${FORKS} x ${MEMORY_MIB} MiB`;
  return [
    {
      name,
      ours: (growth.written - growth.before - written) / MIB,
      floor: MEMORY_LIMIT_MIB,
      unit: 'MiB',
      bar: { at: 'most', ratio: 1 },
      note: `of the process (PSS), half of the RAM in use, beyond the ${written / MIB} MiB they write; floor: the limit`,
    },
    {
      name: `${name}, host`,
      ours: growth.hostForked / MIB,
      floor: null,
      unit: 'MiB',
      note: 'of the whole host before they write: with what the kernel holds for their VMs',
    },
  ];
}

export const FORK_BENCHES: readonly Bench[] = [
  { name: 'fork start', run: startBench },
  { name: 'fork memory', run: memoryBench },
];
