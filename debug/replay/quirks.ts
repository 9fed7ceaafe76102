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
import { Stepper } from './stepper.ts';
import { clearTrapFlag, isNear } from './trap-flag.ts';

const CODE = 0x8000;
const STACK = 0x7000;
const PUSHF = 0x9c;
const HLT = 0xf4;
const MODES = ['real', 'long'] as const;
/** An emulated processor may take a second for its first instruction. */
const FIRST_MS = 10_000;

/** What this host's steps do. */
interface StepQuirks {
  readonly pushesTrapFlag: boolean;
  readonly losesHalt: boolean;
}

let found: StepQuirks | undefined;

/** Steps over a PUSHF and a HLT in tiny guests, as some hosts run kinds of code in different ways; once in a process. Throws KvmError. */
export function stepQuirks(): StepQuirks {
  found ??= MODES.map(probe).reduce((all, one) => ({
    pushesTrapFlag: all.pushesTrapFlag || one.pushesTrapFlag,
    losesHalt: all.losesHalt || one.losesHalt,
  }));
  return found;
}

function probe(mode: 'real' | 'long'): StepQuirks {
  using machine = Machine.create({ memory: 2 ** 20, irqchip: false });
  machine.memory.write(CODE, Uint8Array.of(PUSHF, HLT));
  const regs = { rsp: BigInt(STACK) };
  const cs = mode === 'real' ? { cs: { selector: 0, base: 0 } } : {};
  machine.setBoot({ mode, rip: BigInt(CODE), ...cs, regs }, [{ base: CODE, size: 2 }]);
  using local = new LocalMachine(machine);
  const yes = { ...NO_ABILITIES.kernel, step: true };
  new Stepper(local, { real: yes, kernel: yes, user: yes, blockIrq: false }).on();
  const isStepTo = (rip: number) => Stepper.isStep(local.advance(FIRST_MS)) && local.vcpu.getRegs().rip === BigInt(rip);
  if (!isStepTo(CODE + 1)) return { pushesTrapFlag: false, losesHalt: false };
  const width = mode === 'real' ? 2 : 8;
  const pushesTrapFlag = (machine.memory.readUint(STACK - width, width) & RFLAGS.TF) !== 0n;
  return { pushesTrapFlag, losesHalt: isStepTo(CODE + 2) };
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
  if (new LinearMemory(machine, sregs).read(rip, 1)[0] !== HLT) return false;
  vcpu.setRegs(regs);
  return true;
}

/** Whether the stack has so many more bytes than a jump, a near CALL or a RET leaves there; the smallest frame, of real mode, has 6. */
const mayBeFrame = (bytes: bigint) => bytes > 8n || bytes === 6n || bytes < -8n;

/** Clears the flag where the last step has left it, wherever it may have: to look costs time. `mayDeliver`: see {@link stepOnce}. */
export function clearPushedFlag(machine: Machine, stepper: Stepper, mayDeliver: boolean): void {
  const { before, regs } = stepper;
  // Where the processor pushes it, also behind a step to the next instruction: a whole handler may have been a part of it. Where it does
  // not, KVM still does in some frames of exceptions.
  const isNext = regs.rip !== before.regs.rip && isNear(regs.rip, before.regs.rip);
  const looks = stepQuirks().pushesTrapFlag || mayDeliver || (!isNext && mayBeFrame(before.regs.rsp - regs.rsp));
  stepper.pushedFrame = looks && clearTrapFlag(machine, before);
}
