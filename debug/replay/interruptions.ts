/**
 * Finds again where a recorded guest was interrupted in the middle of a computation: the registers there are known, and a checkpoint
 * was taken. A breakpoint stops the run each time its address comes by, or steps do; where all registers are equal, all of the
 * machine is compared. So how the place is come to does not matter: what is equal in all is the place.
 */
import { Exit } from '../../src/abi/exits.ts';
import { bytesOf } from '../../src/abi/struct.ts';
import { clearKicks, KickTimer } from '../../src/ffi/signals.ts';
import { codeMode, linearRip } from '../../src/kvm/mode.ts';
import { type InterruptSource, interruptSource } from '../../src/runner/line-interrupts.ts';
import type { LocalMachine } from '../../src/runner/local-machine.ts';
import type { Injection } from '../recording/injection.ts';
import { abilitiesFor, type DebugAbilities } from '../stops/abilities.ts';
import type { Interval } from './interval.ts';
import { LoopGuess } from './loop-guess.ts';
import { clearPushedFlag, stepQuirks } from './quirks.ts';
import type { Stepper } from './stepper.ts';

/** How long a place is looked for: of the processor, as much on a busy host as on an idle one, but no longer than so. */
const SEARCH_MS = 1000;
const LONGEST_MS = 10_000;

/** Milliseconds of the processor that this process has had. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** After so many stops of the guest it is looked how much of the time is left. */
const TURNS = 256;

/** Most steps that are taken from an exit to an interruption. */
const MOST_STEPS = 1_000_000;

/**
 * A part of a recording that is not verified: where the guest was interrupted at its end was not found, and the checkpoint there was
 * loaded. Its exits were compared, `to` apart; memory and state were not, from the checkpoint before on.
 */
export interface NotRun {
  /** Exits at the checkpoint before, and at its end. */
  readonly from: number;
  readonly to: number;
}

/** What a search has come to. Lost: this host cannot stop there, or it was not found. The machine stands anywhere then. */
export type Found = 'found' | 'other' | 'lost';

/** Why a search with others is lost where the place itself was found. */
export const TOO_OFTEN = 'the breakpoints come by too often before an interruption';

/** See the file's header. */
export class InterruptionSearch implements Disposable {
  readonly #local: LocalMachine;
  readonly #stepper: Stepper;
  readonly #abilities: DebugAbilities;
  readonly #interrupts: InterruptSource;
  readonly #injection: Injection;
  readonly #timer = new KickTimer();
  /** Which were found and which not, by the exits there. */
  readonly #found = new Set<number>();
  readonly #lost = new Map<number, NotRun>();
  /** Those that were found, but steps have led past them to another exit. By the exits there. */
  readonly passedOver = new Set<number>();
  #began = { processor: 0, host: 0 };

  constructor(local: LocalMachine, stepper: Stepper, abilities: DebugAbilities, injection: Injection) {
    this.#local = local;
    this.#stepper = stepper;
    this.#abilities = abilities;
    this.#interrupts = interruptSource(local.machine);
    this.#injection = injection;
  }

  /** What is not verified so far. */
  get notRun(): readonly NotRun[] {
    return [...this.#lost.values()].sort((a, b) => a.to - b.to);
  }

  /** Whether the interruption at the end of an interval was found; undefined where it was not looked for. */
  wasFound({ lastExit }: Interval): boolean | undefined {
    if (this.#lost.has(lastExit + 1)) return false;
    return this.#found.has(lastExit + 1) ? true : undefined;
  }

  /** Why no further step towards the interruption is certain, or worth its time, in words; undefined where it is. */
  problem(interval: Interval, steps = 0): string | undefined {
    const to = interval.lastExit + 1;
    const place = `the guest computed from exit ${to - 1} until it was interrupted, at ${to}; that place`;
    if (!this.wasFound(interval)) return `${place} was not found again, so nothing between is certain: go to ${to}`;
    if (this.passedOver.has(to)) return `${place} is passed over by steps on this host: go to ${to}`;
    return steps < MOST_STEPS ? undefined : `${place} is more than ${MOST_STEPS} steps away: go to ${to}`;
  }

  /**
   * Runs on from where the machine stands, behind the last exit of an interval, to the interruption at its end, where `isThere` says
   * that all but the registers is equal, too; or to one of `others`, at most three linear addresses, which may be the one that is next.
   * What the guest got when it went on from the exit it has got in any case. Throws KvmError.
   */
  find(interval: Interval, isThere: () => boolean, others: readonly bigint[] = []): Found {
    this.#stepper.off();
    this.#inject();
    const { from, lastExit } = interval;
    const to = lastExit + 1;
    const found = this.wasFound(interval) === false ? 'lost' : this.#look(interval, isThere, others);
    // Too many stops at others are no reason to give up the place.
    if (found === 'lost' && others.length === 0) this.#lost.set(to, { from, to });
    if (found !== 'found') return found;
    this.#lost.delete(to);
    this.#found.add(to);
    return found;
  }

  #look(interval: Interval, isThere: () => boolean, others: readonly bigint[]): Found {
    const { registers, sregs } = interval.place();
    const stepper = this.#stepper;
    const mode = codeMode(sregs, registers.rflags);
    const { hardware, step } = abilitiesFor(this.#abilities, mode);
    if (!step || (others.length > 0 && !hardware.execute)) return 'lost';
    const address = linearRip(sregs, mode, registers.rip);
    const guess = new LoopGuess(bytesOf(registers));
    stepQuirks(); // the first time it runs guests of its own, and would take the kick of the timer
    this.#began = { processor: processorMs(), host: performance.now() };
    this.#timer.arm(SEARCH_MS);
    try {
      for (let turns = 1; ; turns++) {
        // The kick ends a long run. One that was taken by something else must not make the search endless.
        if (turns % TURNS === 0 && this.#leftMs() <= 0) return 'lost';
        stepper.see();
        const here = linearRip(stepper.sregs, codeMode(stepper.sregs, stepper.regs.rflags), stepper.regs.rip);
        if (interval.isLikePlace(stepper)) {
          stepper.off();
          if (isThere()) return 'found';
        }
        if (others.includes(here)) return 'other';
        const ahead = here === address && hardware.execute ? guess.pass(bytesOf(stepper.regs)) : 0;
        if (ahead > 0) {
          if (!this.#runAhead(ahead, others)) return 'lost';
          continue;
        }
        // A turn of a REP, and a jump to itself, come back to the same address, where a breakpoint may stop the first time alone.
        const steps = here === address || others.includes(here) || !hardware.execute;
        if (steps ? !this.#step() : !this.#runTo([address, ...others])) return 'lost';
      }
    } finally {
      stepper.off();
      this.#timer.arm(0);
      clearKicks();
    }
  }

  /** As the run loop does where it enters the guest. */
  #inject(): void {
    this.#local.completePendingIo();
    const vector = this.#injection.open && this.#interrupts.waiting() ? this.#interrupts.take() : undefined;
    if (vector === undefined) return;
    this.#local.vcpu.interrupt(vector);
    this.#injection.injected(vector);
  }

  #step(): boolean {
    const stepper = this.#stepper;
    if (stepper.problem !== undefined) return false;
    stepper.on();
    stepper.begin();
    if (!this.#run()) return false;
    stepper.taken();
    clearPushedFlag(this.#local.machine, stepper, false);
    return true;
  }

  #runTo(addresses: readonly bigint[]): boolean {
    this.#stepper.breakAt(addresses);
    return this.#run();
  }

  /** For so many milliseconds, or to one of `others`. False: the time is up, or the guest makes an exit, which is not served. */
  #runAhead(ms: number, others: readonly bigint[]): boolean {
    const left = this.#leftMs();
    if (left <= 0) return false;
    if (others.length > 0) this.#stepper.breakAt(others);
    else this.#stepper.off();
    this.#timer.arm(Math.min(ms, left));
    const exited = this.#local.vcpu.run();
    this.#timer.arm(Math.max(1, this.#leftMs()));
    clearKicks();
    return !exited || this.#isStop();
  }

  /** Whether the exit in the area is a stop of ours. Another one is not served: it is completed as if a device had answered anything. */
  #isStop(): boolean {
    const { area } = this.#local.vcpu;
    if (area.exitReason === Exit.DEBUG) return true;
    area.immediateExit = true;
    while (this.#local.vcpu.run());
    area.immediateExit = false;
    return false;
  }

  /** To the next stop. False: the time is up, or the guest makes an exit, which is not served. */
  #run(): boolean {
    const { vcpu } = this.#local;
    for (;;) {
      if (vcpu.run()) return this.#isStop();
      clearKicks();
      if (this.#leftMs() <= 0) return false;
      this.#timer.arm(SEARCH_MS / 10);
    }
  }

  /** Of the time of the search. */
  #leftMs(): number {
    const { processor, host } = this.#began;
    return Math.min(SEARCH_MS - (processorMs() - processor), LONGEST_MS - (performance.now() - host));
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
