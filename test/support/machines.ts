/** Machines that run a few bytes of hand-written code from a known address, through the exit loop. */
import type { EntryState } from '../../src/machine/entry.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { MachineConfig } from '../../src/machine/machine-config.ts';
import { runHere } from '../../src/runner/local-machine.ts';
import type { RunResult } from '../../src/runner/result.ts';
import { scaled } from './time.ts';

/** Guest-physical address of the code. */
export const CODE = 0x10_0000;
/** Guest-physical address below 1 MiB, for real mode. */
export const LOW_CODE = 0x7c00;

const LIMIT_MS = scaled(20_000);

/** Calls `test` with a machine of 2 MiB (or as `config` says) and takes it down after it. */
export function withMachine<T>(config: Partial<MachineConfig>, test: (machine: Machine) => T): T {
  using machine = Machine.create({ memory: 2 ** 21, ...config });
  return test(machine);
}

/** Places `code` where its mode can run it and makes that the entry. Returns the address. */
export function boot(machine: Machine, code: Uint8Array, entry: Pick<EntryState, 'mode' | 'regs'>): number {
  const at = entry.mode === 'real' ? LOW_CODE : CODE;
  machine.memory.write(at, code);
  machine.setBoot({ rip: BigInt(at), ...entry }, [{ base: at, size: code.length }]);
  return at;
}

/** Runs to the end; a guest that has none is ended after a while. */
export const run = (machine: Machine): RunResult => runHere(machine, { timeoutMs: LIMIT_MS });
