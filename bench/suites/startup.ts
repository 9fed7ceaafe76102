/** From the shell to the guest's last word and back: `vmlapse run hello` against QEMU, and where our time goes. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import type { Bench } from '../bench.ts';
import { withStore } from '../checkpoint-lab.ts';
import { interleave } from '../measure.ts';
import { CLI, commandMs, guestProgram, probeArgs } from '../ours.ts';
import { QEMU_BASE, qemuProgram } from '../qemu.ts';
import type { Result } from '../report.ts';
import { checkpointOfGreeting } from './fork.ts';

const ROUNDS = 7;
const COMMAND_ROUNDS = 15;
const GREETING = 'Hello from multiboot 1';
const RAM_MIB = 128;
/** What isa-debug-exit makes of the guest's 0: the process ends with (value << 1) | 1. */
const QEMU_STATUS_OF_0 = 1;

function timed(command: string, args: readonly string[]): { ms: number; ended: SpawnSyncReturns<string> } {
  const start = performance.now();
  const ended = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  return { ms: performance.now() - start, ended };
}

/** Milliseconds of a run that must end with `status` after the guest has greeted. */
function greeting(command: string, args: readonly string[], status: number): number {
  const { ms, ended } = timed(command, args);
  if (ended.status === status && ended.stdout.includes(GREETING)) return ms;
  throw new Error(`${command} ${args.join(' ')} ended with ${ended.status}: ${ended.stdout}${ended.stderr}`);
}

/** Milliseconds of a process that must succeed. */
function stage(args: readonly string[]): number {
  const { ms, ended } = timed(process.execPath, args);
  if (ended.status === 0) return ms;
  throw new Error(`node ${args.join(' ')} ended with ${ended.status}: ${ended.stderr}`);
}

async function startup(): Promise<Result[]> {
  const guest = guestProgram('hello-multiboot');
  const qemu = qemuProgram();
  const debugExit = ['-serial', 'stdio', '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'];
  const ms = await interleave(ROUNDS, {
    ours: () => greeting(process.execPath, [CLI, 'run', '--mem', `${RAM_MIB}M`, guest], 0),
    floor: () => greeting(qemu, [...QEMU_BASE, ...debugExit, '-m', `${RAM_MIB}`, '-kernel', guest], QEMU_STATUS_OF_0),
    node: () => stage(['-e', '0']),
    koffi: () => stage(probeArgs('koffi')),
    modules: () => stage(probeArgs('modules')),
    machine: () => stage(probeArgs('machine', String(RAM_MIB))),
  });
  const part = (name: string, value: number, note: string): Result => {
    return { name: `startup: ${name}`, ours: value, floor: null, unit: 'ms', note };
  };
  return [
    {
      name: 'startup',
      ours: ms.ours,
      floor: ms.floor,
      unit: 'ms',
      bar: { at: 'most', ratio: 1 },
      note: 'vmlapse run of a Multiboot hello; floor: QEMU, same file',
    },
    part('Node', ms.node, 'an empty program'),
    part('koffi', ms.koffi - ms.node, 'loading it and binding libc'),
    part('modules', ms.modules - ms.koffi, 'the rest of what run loads'),
    part('VM creation', ms.machine - ms.modules, 'VM, irqchip, PIT, RAM, and their end'),
    part('guest', ms.ours - ms.machine, 'vCPU thread, the guest itself, output, summary'),
  ];
}

/** Commands to the first byte that they, or their guests, print, against an empty program of Node. */
const commands = (): Promise<Result[]> =>
  withStore(async (store) => {
    checkpointOfGreeting(store);
    const at = ['--store', store.directory];
    const ms = await interleave(COMMAND_ROUNDS, {
      node: () => stage(['-e', '0']),
      version: () => commandMs(['--version']),
      log: () => commandMs(['log', ...at]),
      run: () => commandMs(['run', '--quiet', '--mem', `${RAM_MIB}M`, guestProgram('hello-multiboot')]),
      restore: () => commandMs(['restore', '--quiet', ...at, 'latest']),
    });
    const against = (name: string, ours: number, ratio: number): Result => ({
      name: `command: ${name}`,
      ours,
      floor: ms.node,
      unit: 'ms',
      bar: { at: 'most', ratio },
      note: 'to the first byte; floor: an empty program of Node, to its end',
    });
    return [
      against('--version', ms.version, 1.5),
      against('log', ms.log, 1.5),
      against('run, of a Multiboot hello', ms.run, 2.5),
      against('restore, of a small checkpoint', ms.restore, 3),
    ];
  });

export const STARTUP_BENCHES: readonly Bench[] = [
  { name: 'startup', run: startup },
  { name: 'startup of commands', run: commands },
];
