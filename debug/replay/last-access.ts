/**
 * Going to the instruction that made the last exit, at full speed. An IN or OUT makes an exit each time it runs, so a breakpoint of
 * the processor on it stops the run once between two exits. The steps up to there are not counted.
 */
import { codeMode, linearRip } from '../../src/kvm/mode.ts';
import { disassemble } from '../../src/runner/fault/disassemble.ts';
import { debugAbilities } from '../stops/abilities.ts';
import { LinearMemory } from '../stops/linear-memory.ts';
import type { Replayer } from './replayer.ts';
import { seeking } from './seek.ts';

/** Bytes of IN and OUT: prefix, opcode, port. */
const LENGTHS = [1, 2, 3] as const;

/**
 * Goes from right behind an exit to the IN or OUT that made it, in parts as {@link seeking} does. False where this host has no
 * such breakpoints, no such instruction lies there, or the run did not stop at one: it stands anywhere then. Throws ReplayDivergence.
 */
export function* seekingLastAccess(replayer: Replayer): Generator<undefined, boolean> {
  const { exits } = replayer.position;
  const { real, kernel } = debugAbilities(replayer.machine.kvm);
  if (!real.hardware.execute || !kernel.hardware.execute) return false;
  const addresses = accessesBefore(replayer);
  if (exits === 0 || addresses.length === 0 || replayer.recording.isInterruption(exits)) return false;
  yield* seeking(replayer, { exits: exits - 1, steps: 0 });
  return replayer.exits < exits && replayer.runToBreak(addresses, exits);
}

/** The linear addresses before RIP from which an IN or OUT leads up to it. */
function accessesBefore({ machine, registers: { regs, sregs } }: Replayer): bigint[] {
  const mode = codeMode(sregs, regs.rflags);
  const rip = linearRip(sregs, mode, regs.rip);
  const memory = new LinearMemory(machine, sregs);
  return LENGTHS.map((length) => rip - BigInt(length)).filter((address) => {
    if (address < 0n || memory.translate(address) === undefined) return false;
    const length = Number(rip - address);
    const [line] = disassemble(memory.read(address, length), address, mode.bits, 1);
    return line?.bytes.length === length && (line.mnemonic === 'IN' || line.mnemonic === 'OUT');
  });
}
