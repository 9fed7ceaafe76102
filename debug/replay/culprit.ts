/**
 * Which instruction makes a guest another one each time, as RDTSC does: two replays go on side by side, from exit to exit and
 * then step by step, and where their registers are first unlike, the instruction before is the one. It says nothing where
 * both replays agree, although the recorded run was another.
 */
import { bytesOf } from '../../src/abi/struct.ts';
import { KvmRegs } from '../../src/abi/structs.ts';
import { codeMode, linearRip } from '../../src/kvm/mode.ts';
import type { Position } from '../recording/position.ts';
import { LinearMemory } from '../stops/linear-memory.ts';
import type { Divergence } from './divergence.ts';
import type { Recording } from './recording.ts';
import { Replayer } from './replayer.ts';

/** The first instruction after which two replays differ. */
export interface Culprit {
  /** Where it is about to run. */
  readonly position: Position;
  /** Linear address. */
  readonly rip: bigint;
  readonly code: Uint8Array;
  readonly bits: 16 | 32 | 64;
  /** The first register that differs behind it. */
  readonly register: string;
}

/** Why none is named, as the end of a sentence. */
export interface NoCulprit {
  readonly why: string;
}

/** Steps that are compared; some seconds. */
const MOST_STEPS = 100_000;
const LONGEST_INSTRUCTION = 15;
const HANDLED = 'the step after which two replays first differ may have run a handler of an interrupt or exception';

/** Looks for the culprit of a divergence. Throws CheckpointError or KvmError. */
export function findCulprit(recording: Recording, { after, at }: Divergence): Culprit | NoCulprit {
  const point = recording.pointBefore(after.exits);
  using a = new Replayer(recording, { lenient: true });
  using b = new Replayer(recording, { lenient: true });
  const both = [a, b] as const;
  const from = unlikeExit(both, point, at.exits) ?? after.exits;
  for (const replayer of both) {
    replayer.load(point);
    replayer.runTo(from);
  }
  for (let steps = 0; steps < MOST_STEPS && a.exits <= at.exits; steps++) {
    const { position } = a;
    const why = a.stepProblem ?? b.stepProblem;
    if (why !== undefined) return { why: `not all was compared: ${why}` };
    const delivers = both.some((replayer) => replayer.isDelivering);
    if (both.some((replayer) => !replayer.step())) break;
    const register = unlikeRegister(both);
    if (register === undefined) continue;
    if (delivers || both.some((replayer) => replayer.mayHaveHandled)) return { why: HANDLED };
    return { position, register, ...instruction(a) };
  }
  return { why: 'two replays do not differ from each other in their registers' };
}

type Both = readonly [Replayer, Replayer];

/** The exit before the first one behind which the registers differ; undefined if there is none up to exit `last`. */
function unlikeExit(both: Both, point: number, last: number): number | undefined {
  const [a] = both;
  for (const replayer of both) replayer.load(point);
  while (a.exits < last) {
    const from = a.exits;
    for (const replayer of both) replayer.runTo(from + 1);
    if (unlikeRegister(both) !== undefined) return from;
    if (a.exits === from) return undefined; // the recording ends here
  }
  return undefined;
}

function unlikeRegister(both: Both): string | undefined {
  const [a, b] = both.map(({ local }) => local.vcpu.getRegs());
  if (Buffer.compare(bytesOf(a!), bytesOf(b!)) === 0) return undefined;
  const names = Object.keys(KvmRegs.fields) as (keyof typeof KvmRegs.fields)[];
  return names.find((name) => a![name] !== b![name]);
}

function instruction({ machine, before: { regs, sregs } }: Replayer) {
  const mode = codeMode(sregs, regs.rflags);
  const rip = linearRip(sregs, mode, regs.rip);
  return { rip, bits: mode.bits, code: new LinearMemory(machine, sregs).read(rip, LONGEST_INSTRUCTION) };
}
