/**
 * What steps do to a guest on some hosts, found out by trying, and put right: a stepped run has to be the run that was not
 * stepped.
 *
 * KVM steps by setting the trap flag in RFLAGS. Where the processor runs the guest, what pushes RFLAGS in a step, PUSHF or the
 * delivery of an interrupt or exception, pushes that flag, too: it is cleared in memory. Where KVM emulates, a step over HLT is
 * a step like others, and the exit that HLT makes is lost: HLT is run again without a step.
 */
import { RFLAGS } from '../../src/abi/registers.ts';
import { codeMode, linearRip } from '../../src/kvm/mode.ts';
import { Machine } from '../../src/machine/machine.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import type { RunEnd } from '../../src/runner/result.ts';
import { NO_ABILITIES } from '../stops/abilities.ts';
import { LinearMemory } from '../stops/linear-memory.ts';
import type { StepRegisters } from './step-registers.ts';
import { Stepper } from './stepper.ts';

const CODE = 0x8000;
const STACK = 0x7000;
const PUSHF = 0x9c;
const HLT = 0xf4;
const LONGEST_INSTRUCTION = 15n;
/** Flags that neither one instruction nor the answer of a handler in its frame changes without notice; bits 3, 5 and 15 are always 0. */
const KEPT_FLAGS = RFLAGS.FIXED | RFLAGS.TF | RFLAGS.DF | RFLAGS.IOPL | RFLAGS.NT | 0x8028n;

/** What this host's steps do. */
interface StepQuirks {
  readonly pushesTrapFlag: boolean;
  readonly losesHalt: boolean;
}

let found: StepQuirks | undefined;

/** Steps over a PUSHF and a HLT in a tiny guest; once in a process. Throws KvmError. */
export function stepQuirks(): StepQuirks {
  found ??= probe();
  return found;
}

function probe(): StepQuirks {
  using machine = Machine.create({ memory: 2 ** 20, irqchip: false });
  machine.memory.write(CODE, Uint8Array.of(PUSHF, HLT));
  const regs = { rsp: BigInt(STACK) };
  machine.setBoot({ mode: 'real', rip: BigInt(CODE), cs: { selector: 0, base: 0 }, regs }, [{ base: CODE, size: 2 }]);
  using local = new LocalMachine(machine);
  const yes = { ...NO_ABILITIES.kernel, step: true };
  new Stepper(local, { real: yes, kernel: yes, user: yes, blockIrq: false }).on();
  local.advance(1000);
  const pushesTrapFlag = (BigInt(machine.memory.readUint(STACK - 2, 2)) & RFLAGS.TF) !== 0n;
  return { pushesTrapFlag, losesHalt: Stepper.isStep(local.advance(1000)) };
}

/**
 * One step, put right; `stepped` is called behind it. `mayDeliver`: whether an interrupt may have come in it. Returns undefined, or the
 * end of the run where it was no step: the guest has made an exit, or makes none for `timeoutMs`.
 */
export function stepOnce(
  local: LocalMachine,
  stepper: Stepper,
  timeoutMs: number,
  mayDeliver: () => boolean,
  stepped: () => void,
): RunEnd | undefined {
  const { losesHalt } = stepQuirks();
  stepper.begin();
  const end = local.advance(timeoutMs);
  const isStep = Stepper.isStep(end);
  if (isStep) stepper.taken();
  clearPushedFlag(local.machine, stepper, mayDeliver());
  if (!isStep) return end;
  stepped();
  if (!losesHalt || !undoHalt(local, stepper)) return undefined;
  stepper.off();
  return local.advance(timeoutMs);
}

/**
 * Goes back before the HLT that was the last step, if it was one: it is one byte, and does nothing but wait. Returns whether
 * it was.
 */
function undoHalt({ machine, vcpu }: LocalMachine, stepper: Stepper): boolean {
  const { regs, sregs } = stepper.before;
  if (stepper.regs.rip !== regs.rip + 1n) return false;
  const rip = linearRip(sregs, codeMode(sregs, regs.rflags), regs.rip);
  if (read(new LinearMemory(machine, sregs), rip, 1)[0] !== HLT) return false;
  vcpu.setRegs(regs);
  return true;
}

/** Clears the flag where the last step has left it, wherever it may have: to look costs time. `mayDeliver`: see {@link stepOnce}. */
export function clearPushedFlag(machine: Machine, { before, regs }: Stepper, mayDeliver: boolean): void {
  // Where the processor pushes it, also behind a step to the next instruction: a whole handler may have been a part of it. Where it does
  // not, KVM still does in some frames of exceptions.
  const isNext = regs.rip !== before.regs.rip && isNear(regs.rip, before.regs.rip);
  if (stepQuirks().pushesTrapFlag || mayDeliver || !isNext) clearTrapFlag(machine, before);
}

/** Clears the flag where the step from these registers on has left it. */
export function clearTrapFlag(machine: Machine, before: StepRegisters): void {
  const { regs, sregs } = before;
  if (regs.rflags & RFLAGS.TF) return;
  const mode = codeMode(sregs, regs.rflags);
  const memory = new LinearMemory(machine, sregs);
  const width = mode.bits === 64 ? 8 : mode.bits === 32 ? 4 : 2;
  const stack = BigInt.asUintN(mode.bits, regs.rsp) + (mode.bits === 64 ? 0n : sregs.ss.base);
  const at = (words: number, from = stack) => from - BigInt(words * width);
  const word = (address: bigint) => wordAt(memory, address, width);
  if (isPushf(memory, linearRip(sregs, mode, regs.rip), mode.bits)) {
    clear(memory, at(1));
    return;
  }
  // In long mode a frame is aligned, and has SS and RSP: SS, RSP, RFLAGS, CS, RIP, and for some exceptions an error code.
  const top = mode.bits === 64 ? stack & ~15n : stack;
  const flags = at(mode.bits === 64 ? 3 : 1, top);
  const isFrame =
    isLikeFlags(word(flags), regs.rflags) &&
    word(at(1, flags)) === BigInt(sregs.cs.selector) &&
    isNear(word(at(2, flags)), regs.rip) &&
    (mode.bits !== 64 || (word(at(-1, flags)) === regs.rsp && word(at(-2, flags)) === BigInt(sregs.ss.selector)));
  if (isFrame) clear(memory, flags);
}

/** Whether it may be what was pushed of these flags in a step: not any number that has the bit of the trap flag. */
const isLikeFlags = (pushed: bigint | undefined, before: bigint): boolean =>
  pushed !== undefined && ((pushed ^ (before | RFLAGS.TF)) & KEPT_FLAGS) === 0n;

/** Whether it is the address of the instruction, or one right behind it. */
const isNear = (pushed: bigint | undefined, rip: bigint): boolean =>
  pushed !== undefined && pushed >= rip && pushed <= rip + LONGEST_INSTRUCTION;

function isPushf(memory: LinearMemory, rip: bigint, bits: number): boolean {
  const bytes = read(memory, rip, 3);
  const opcode = bytes.findIndex((byte) => byte !== 0x66 && (bits !== 64 || (byte & 0xf0) !== 0x40));
  return bytes[opcode] === PUSHF;
}

function read(memory: LinearMemory, address: bigint, length: number): Uint8Array {
  try {
    return memory.read(address, length);
  } catch {
    return new Uint8Array(0); // nothing is mapped there, so nothing was pushed or run there
  }
}

function wordAt(memory: LinearMemory, address: bigint, width: number): bigint | undefined {
  const bytes = read(memory, address, width);
  return bytes.length < width ? undefined : BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** TF is bit 0 of the second byte. */
function clear(memory: LinearMemory, flags: bigint): void {
  const [byte] = read(memory, flags + 1n, 1);
  if (byte !== undefined && byte & 1) memory.write(flags + 1n, Uint8Array.of(byte & ~1));
}
