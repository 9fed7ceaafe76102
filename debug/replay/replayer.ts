/**
 * Runs a recorded machine again. Its devices work as they did; what came from the host then comes from the log now, and each
 * exit is compared with the recorded one. The machine runs in the calling thread.
 */
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import type { DeviceHost } from '../../src/devices/device.ts';
import { Cleanup } from '../../src/ffi/cleanup.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { type InterruptSource, interruptSource } from '../../src/runner/line-interrupts.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { GUEST_ENDS, type RunEnd } from '../../src/runner/result.ts';
import { ExitTurns } from '../recording/exit-turns.ts';
import { Injection } from '../recording/injection.ts';
import { LogReader, LogWriter, loggedExit } from '../recording/log.ts';
import { comparePositions, type Position } from '../recording/position.ts';
import { debugAbilities } from '../stops/abilities.ts';
import { type Differences, differences, differencesText } from './compare.ts';
import { entryText, exitDifference, ReplayDivergence } from './divergence.ts';
import { Gifts } from './gifts.ts';
import { Marks, type Standing } from './marks.ts';
import { clearTrapFlag, stepQuirks, undoHalt } from './quirks.ts';
import type { Recording } from './recording.ts';
import type { StepRegisters } from './step-registers.ts';
import { Stepper } from './stepper.ts';

/** Longest time without the exit that the recording has next. Steps and slow hosts are far below it. */
const NEXT_EXIT_MS = 120_000;

const ARRIVED: RunEnd = { reason: 'stop-point', stopPoint: 'arrived' };
const DIVERGED: RunEnd = { reason: 'stop-point', stopPoint: 'diverged' };

const EMPTY = new Uint8Array(0);

/** How a replay is done. */
export interface ReplayOptions {
  /** Receives what the guest prints. */
  readonly output?: DeviceHost['output'];
  /** Compares nothing: for looking at a run that is known to be another. */
  readonly lenient?: boolean;
}

/** What a mark keeps of a replay beside the machine. */
interface ReplayStanding extends Standing {
  readonly log: LogReader;
  readonly isOpen: boolean;
  readonly verified: number;
}

/** See the file's header. Dispose of it after use. */
export class Replayer implements Disposable {
  readonly recording: Recording;
  readonly machine: Machine;
  readonly local: LocalMachine;
  readonly session: CheckpointSession;
  readonly #marks: Marks<ReplayStanding>;
  readonly #gifts: Gifts;
  readonly #interrupts: InterruptSource;
  readonly #injection = new Injection((vector) => this.#injected(vector));
  readonly #turns = new ExitTurns(this.#injection, () => this.#compareExit());
  readonly #scratch = new LogWriter();
  readonly #stepper: Stepper;
  readonly #isLenient: boolean;
  /** The point from which the log in use leads on, and that log. */
  #point = 0;
  #log = new LogReader(EMPTY, '');
  #exits = 0;
  #steps = 0;
  #target = 0;
  /** What was loaded last: the next load of it is faster if it stays open. */
  #loaded: Checkpoint | undefined;
  /** An interrupt may come in the next step: KVM pushes the trap flag in its frame also where a PUSHF pushes none. */
  #mayDeliver = true;
  #divergence: ReplayDivergence | undefined;
  #end: RunEnd | undefined;
  /** Exits at the last place known to be equal in all. */
  #verified = 0;

  /** Makes the machine, at position 0. Throws CheckpointError or KvmError. */
  constructor(recording: Recording, { output = () => {}, lenient = false }: ReplayOptions = {}) {
    this.#isLenient = lenient;
    using made = new Cleanup();
    this.recording = recording;
    using first = recording.open(0);
    const { machine, load } = restoreMachine(first, { generation: 'keep' });
    this.machine = made.use(machine);
    this.local = made.use(
      new LocalMachine(machine, {
        output,
        now: () => this.#now(),
        gate: this.#injection,
        idle: (exits) => this.#idle(exits),
        served: (exits) => this.#afterExit(exits),
      }),
    );
    this.#gifts = new Gifts(machine, machine.host(output));
    this.#interrupts = interruptSource(machine);
    this.#stepper = new Stepper(this.local, debugAbilities(machine.kvm));
    load(this.local);
    this.session = made.use(new CheckpointSession(this.local, recording.store, { base: first.digest }));
    this.#marks = new Marks(this.session);
    this.#enter(0);
    made.keep();
  }

  /** Exits so far. */
  get exits(): number {
    return this.#exits;
  }

  /** Where the run stands. */
  get position(): Position {
    return { exits: this.#exits, steps: this.#steps };
  }

  /** The registers before the last step. */
  get before(): StepRegisters {
    return this.#stepper.before;
  }

  /** The registers here. Live. */
  get registers(): StepRegisters {
    this.#stepper.see();
    return this.#stepper;
  }

  /** Why there is no step from here on this host; undefined where there is. */
  get stepProblem(): string | undefined {
    this.#stepper.see();
    return this.#stepper.problem;
  }

  /** An interrupt comes in the next step; on some hosts its handler is a part of that step. */
  get isDelivering(): boolean {
    const isInjected = () => this.local.vcpu.getVcpuEvents().interrupt.injected !== 0;
    return this.#log.peek()?.kind === 'interrupt' || (this.#mayDeliver && isInjected());
  }

  /** How the guest ended, once it has. */
  get end(): RunEnd | undefined {
    return this.#end;
  }

  /** Milliseconds from the beginning of the recording to here, as they passed then. */
  get passedMs(): number {
    const next = this.recording.points[this.#point + 1] ? this.recording.segment(this.#point + 1).ms : 0;
    return next + this.#log.passedMs;
  }

  /** Puts the machine back to a point of the recording. */
  load(point: number): void {
    this.#stepper.off();
    if (this.#loaded?.digest !== this.recording.points[point]!.digest) {
      this.#loaded?.[Symbol.dispose]();
      this.#loaded = this.recording.open(point);
    }
    this.session.rollback(this.#loaded);
    this.#enter(point);
  }

  /** Puts the machine to the nearest place before a position that is at hand, unless it stands nearer. */
  approach(position: Position): void {
    const point = this.recording.pointBefore(position.exits);
    const mark = this.#marks.before(point, position);
    const start = mark?.standing.position ?? { exits: this.recording.points[point]!.exits, steps: 0 };
    const isNearer = comparePositions(this.position, start) >= 0 && comparePositions(this.position, position) <= 0;
    this.#marks.begin();
    if (isNearer) return;
    this.load(point);
    if (!mark) return;
    this.#marks.load(mark);
    const { log, isOpen, verified } = mark.standing;
    this.#turns.passOver(this.local.exits);
    ({ exits: this.#exits, steps: this.#steps } = mark.standing.position);
    this.#verified = verified;
    this.#log = log.copy();
    this.#injection.loaded(isOpen);
  }

  /** On a long way: keeps a temporary checkpoint here, if the last is far enough away, from which {@link approach} begins. */
  mark(): void {
    if (this.#end || !this.#marks.isDue) return;
    this.#stepper.off();
    const standing = { position: this.position, point: this.#point, isOpen: this.#injection.open };
    this.#marks.keep({ ...standing, log: this.#log.copy(), verified: this.#verified });
    this.#turns.passOver(this.local.exits);
  }

  #enter(point: number): void {
    const { points } = this.recording;
    this.#turns.passOver(this.local.exits);
    this.#point = point;
    this.#mayDeliver = true;
    this.#steps = 0;
    this.#exits = points[point]!.exits;
    this.#verified = this.#exits;
    this.#log = new LogReader(
      points[point + 1] ? this.recording.segment(point + 1).log : EMPTY,
      points[point]!.digest.slice(0, 19),
    );
    this.#divergence = undefined;
    this.#end = undefined;
    this.#injection.loaded(point > 0 && this.recording.segment(point).open);
    this.#marks.begin(0);
    this.#give();
  }

  /**
   * Runs on until the guest has made `exits` exits and the last one is complete: that may take it further, where one instruction
   * makes several. Compares all at each checkpoint on the way. Throws ReplayDivergence.
   */
  runTo(exits: number): void {
    while (this.#exits < exits) {
      const next = this.recording.points[this.#point + 1];
      if (!next) return;
      this.#stepper.off();
      this.#run(Math.min(exits, next.exits));
      this.#arrived(next.exits);
    }
  }

  /**
   * Runs one step, or what is left of the instruction that makes the next exit. `served` is called when that exit is served and not
   * complete: what has changed in memory then was not the vCPU. False at the end. Throws ReplayDivergence, UsageError.
   */
  step(served?: () => void): boolean {
    const next = this.recording.points[this.#point + 1];
    if (!next) return false;
    const stepper = this.#stepper;
    stepper.on();
    this.#target = this.#exits + 1;
    const { pushesTrapFlag, losesHalt } = stepQuirks();
    stepper.begin();
    let end = this.local.advance(NEXT_EXIT_MS);
    const isStep = Stepper.isStep(end);
    if (isStep) stepper.taken();
    const mayPush = (pushesTrapFlag || this.#mayDeliver) && !(isStep && stepper.hasPushedNothing);
    if (mayPush) clearTrapFlag(this.machine, stepper.before);
    this.#mayDeliver = false;
    if (isStep) {
      this.#turns.passOver(this.local.exits);
      this.#injection.interrupted();
      if (!losesHalt || !undoHalt(this.local, stepper)) {
        this.#steps++;
        return true;
      }
      stepper.off();
      end = this.local.advance(NEXT_EXIT_MS);
    }
    this.ended(end);
    served?.();
    this.#arrived(next.exits);
    return true;
  }

  /**
   * Runs on at full speed until an instruction at one of at most four linear addresses is next (true), or until `exits` exits are
   * made, at most up to the next point. How many steps lead to such an instruction is not known: the position has infinitely many.
   * Throws ReplayDivergence.
   */
  runToBreak(addresses: readonly bigint[], exits: number): boolean {
    const next = this.recording.points[this.#point + 1];
    if (!next) return false;
    this.#stepper.breakAt(addresses);
    this.#run(Math.min(exits, next.exits));
    if (this.#steps === Number.POSITIVE_INFINITY) return true;
    this.#arrived(next.exits);
    return false;
  }

  /** An exit was made: completes it, and compares all where a checkpoint is. */
  #arrived(atPoint: number): void {
    this.#stepper.rest();
    this.#steps = 0;
    this.complete();
    if (this.#exits >= atPoint) this.#pass();
  }

  /** Completes the last exit. Throws ReplayDivergence. */
  complete(): void {
    this.local.completePendingIo();
    if (this.#divergence) throw this.#divergence;
  }

  /** Runs to the exit of this number, at least one, or to a breakpoint. */
  #run(target: number): void {
    this.#target = target;
    while (this.#exits < target) {
      const end = this.local.advance(NEXT_EXIT_MS);
      if (Stepper.isStep(end)) {
        this.#turns.passOver(this.local.exits);
        this.#injection.interrupted();
        this.#steps = Number.POSITIVE_INFINITY;
        return;
      }
      this.ended(end);
      if (end !== ARRIVED && this.#exits < target) throw this.#unlike(`the guest ends (${end.reason})`);
    }
  }

  /** The run loop came back with an end: notes the exit that it was. Throws ReplayDivergence. */
  ended(end: RunEnd): void {
    if (GUEST_ENDS.has(end.reason)) {
      this.#compareExit();
      this.#end = end;
    }
    if (this.#divergence) throw this.#divergence;
    if (end.reason === 'timeout') throw this.#unlike(`the guest makes no exit for ${NEXT_EXIT_MS / 1000} s`);
  }

  /** At a point: all has to be as recorded, and the log at its end. Goes on with the next log. */
  #pass(): void {
    const left = this.#isLenient ? undefined : this.#log.peek();
    if (left) throw this.#diverged(`the recording has ${entryText(left)} here, the replay has not`);
    const what = this.#isLenient ? undefined : differencesText(this.compare(this.#point + 1));
    if (what !== undefined) throw this.#diverged(what);
    this.#point++;
    this.#verified = this.#exits;
    const next = this.recording.points[this.#point + 1];
    this.#log = new LogReader(next ? this.recording.segment(this.#point + 1).log : EMPTY, '');
    this.#give();
  }

  /** What differs from a point of the recording. */
  compare(point: number): Differences {
    using recorded = this.recording.open(point);
    return differences(this.session, recorded);
  }

  #diverged(what: string): ReplayDivergence {
    const at = this.position;
    const divergence = new ReplayDivergence({ after: { exits: this.#verified, steps: 0 }, at, what });
    if (!this.#isLenient) this.#divergence = divergence;
    return divergence;
  }

  #unlike(what: string, recorded = this.#log.peek()): ReplayDivergence {
    return this.#diverged(`${what}, recorded is ${entryText(recorded)}`);
  }

  /** The clock as it was read then. */
  #now(): number {
    const entry = this.#log.takeIf('time');
    if (entry) return entry.ms;
    this.#unlike("a device reads the host's clock");
    return 0;
  }

  #injected(vector: number): void {
    this.#mayDeliver = true;
    const entry = this.#log.takeIf('interrupt');
    if (entry?.vector !== vector) this.#unlike(`interrupt 0x${vector.toString(16)} is injected`, entry);
  }

  #afterExit(exits: number): RunEnd | undefined {
    if (!this.#turns.served(this.local, exits)) return undefined;
    if (this.#divergence) return DIVERGED;
    this.#give();
    return this.#exits >= this.#target ? ARRIVED : undefined;
  }

  /** The exit in the area against the next of the log. The guest gets what it got then. */
  #compareExit(): void {
    this.#exits++;
    const replayed = loggedExit(this.local.vcpu.area, this.#scratch);
    const recorded = this.#log.takeIf('exit');
    if (this.#isLenient) return;
    if (!recorded) {
      this.#unlike(`the guest makes the exit "${entryText(replayed)}"`);
      return;
    }
    const what = exitDifference(recorded, replayed);
    if (what !== undefined) this.#diverged(what);
  }

  /** Gives the guest what it got here. */
  #give(): void {
    const what = this.#gifts.give(this.#log);
    if (what !== undefined) this.#diverged(what);
  }

  #idle(exits: number): RunEnd | undefined {
    this.#turns.tell(exits);
    if (this.#divergence) return DIVERGED;
    this.#give();
    if (this.#interrupts.waiting()) return undefined;
    this.#turns.waits(this.local, exits);
    if (this.#exits >= this.#target) return ARRIVED;
    this.#unlike('the guest waits in HLT');
    return DIVERGED;
  }

  [Symbol.dispose](): void {
    this.session[Symbol.dispose]();
    this.#loaded?.[Symbol.dispose]();
    this.local[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }
}
