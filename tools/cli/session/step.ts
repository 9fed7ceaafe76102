/** One step of a named machine: a debugger for a moment, which leaves it paused. */
import { Debugger } from '../../../debug/stops/debugger.ts';
import { KvmRegs } from '../../../src/abi/structs.ts';
import { UsageError } from '../../../src/errors.ts';
import { disassemble } from '../../../src/runner/fault/disassemble.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import type { StepSummary } from '../../control/protocol.ts';
import { hex } from '../store/format.ts';
import type { SymbolsOf } from '../symbols.ts';
import type { Stepping } from './debug-doors.ts';

/** How far: one instruction of a vCPU, while the others stand still, or until any of them has made an exit. */
export interface StepWanted {
  readonly by: 'exit' | 'instruction';
  readonly vcpu: number;
}

/** A guest that computes makes no exit, and one that waits in HLT no step. Milliseconds. */
const PATIENCE_MS = 2000;
const LONGEST_INSTRUCTION = 15;

/** Rejects with UsageError where this host cannot step, or there is no such vCPU; the machine is paused then, too. */
export async function stepMachine(
  running: RunningMachine,
  { by, vcpu }: StepWanted,
  stepping: Stepping,
  symbolsOf: SymbolsOf | undefined,
): Promise<StepSummary> {
  const cpus = running.threads.length;
  if (vcpu >= cpus) throw new UsageError(`there is no vCPU ${vcpu}: the machine has ${cpus}`);
  const debug = Debugger.attach(running, { insteadOfStep: 'step to the next exit instead' });
  stepping.debugger = debug;
  const timer = setTimeout(() => debug.interrupt(), PATIENCE_MS);
  try {
    const ids = Array.from({ length: cpus }, (_, id) => id);
    const before = await Promise.all(ids.map(async (id) => registersOf(debug, id)));
    const stop = await debug.resume(ids.map((id) => (by === 'exit' ? 'exit' : id === vcpu ? 'step' : 'stay')));
    const id = by === 'exit' ? stop.vcpu : vcpu;
    if (stop.kind === 'end' || stop.kind === 'over')
      return { what: `the guest has ended: ${stop.end?.reason ?? 'over'}`, vcpu: id, changed: [] };
    const what = stop.exit ?? (stop.kind === 'interrupt' ? NOTHING_CAME[by] : 'one instruction');
    const after = await registersOf(debug, id);
    const changed = Object.keys(after)
      .filter((name) => before[id]![name] !== after[name])
      .map((name) => ({ name, before: hex(before[id]![name]!), after: hex(after[name]!) }));
    return { what, vcpu: id, ...(await placeOf(debug, id, symbolsOf)), changed };
  } finally {
    clearTimeout(timer);
    await debug.detach({ resume: false });
  }
}

const NOTHING_CAME = {
  exit: 'no exit came within 2 s',
  instruction: 'no instruction was over within 2 s: the vCPU may wait for an interrupt (HLT)',
} as const;

async function registersOf(debug: Debugger, id: number): Promise<Readonly<Record<string, bigint>>> {
  const { registers } = await debug.vcpu(id);
  const regs = KvmRegs.over(registers.regs) as unknown as Readonly<Record<string, bigint>>;
  return Object.fromEntries(Object.keys(KvmRegs.fields).map((name) => [name, regs[name]!]));
}

/** The next instruction. */
async function placeOf(debug: Debugger, id: number, symbolsOf: SymbolsOf | undefined) {
  const { pc, mode, memory } = await debug.vcpu(id);
  const [line] = disassemble(memory.read(pc, LONGEST_INSTRUCTION), pc, mode.bits, 1);
  const at = (await symbolsOf?.())?.describe(pc) ?? hex(pc);
  return { at, ...(line && { instruction: line.text }) };
}
