/**
 * Runs a recorded machine again. Its devices work as they did; what came from the host then comes from the log now, and each
 * exit is compared with the recorded one. The machine runs in the calling thread.
 */
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import { UsageError } from '../../src/errors.ts';
import { Cleanup } from '../../src/ffi/cleanup.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { type InterruptSource, interruptSource } from '../../src/runner/line-interrupts.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { GUEST_ENDS, type RunEnd } from '../../src/runner/result.ts';
import { ExitTurns } from '../recording/exit-turns.ts';
import { Injection } from '../recording/injection.ts';
import { comparePositions, type Position } from '../recording/position.ts';
import { debugAbilities } from '../stops/abilities.ts';
import { CheckedLog, type LogStanding } from './checked-log.ts';
import { Gifts } from './gifts.ts';
import { type Found, InterruptionSearch, type NotRun, TOO_OFTEN } from './interruptions.ts';
import { Interval } from './interval.ts';
import { Marks, type Standing } from './marks.ts';
import { Points } from './points.ts';
import { stepOnce } from './quirks.ts';
import type { Recording } from './recording.ts';
import type { ReplayOptions } from './replay-options.ts';
import type { StepRegisters } from './step-registers.ts';
import { Stepper } from './stepper.ts';

/** Longest time without the exit that the recording has next. Steps and slow hosts are far below it. */
const NEXT_EXIT_MS = 120_000;

const ARRIVED: RunEnd = { reason: 'stop-point', stopPoint: 'arrived' };
const DIVERGED: RunEnd = { reason: 'stop-point', stopPoint: 'diverged' };

/** What a mark keeps of a replay beside the machine. */
interface ReplayStanding extends Standing, LogStanding {
  readonly isOpen: boolean;
}

/** See the file's header. Dispose of it after use. */
export class Replayer implements Disposable {
  readonly recording: Recording;
  readonly machine: Machine;
  readonly local: LocalMachine;
  readonly session: CheckpointSession;
  readonly #points: Points;
  readonly #marks: Marks<ReplayStanding>;
  readonly #gifts: Gifts;
  readonly #interrupts: InterruptSource;
  readonly #injection = new Injection((vector) => {
    this.#mayDeliver = true;
    this.#log.injected(vector);
  });
  readonly #turns = new ExitTurns(this.#injection, () => this.#made());
  readonly #stepper: Stepper;
  /** The point from which the log in use leads on, and that log. */
  #point = 0;
  #interval: Interval;
  #exits = 0;
  #steps = 0;
  #target = 0;
  /** An interrupt may come in the next step: KVM pushes the trap flag in its frame also where a PUSHF pushes none. */
  #mayDeliver = true;
  #isMuted = false; // what comes next may be an exit of another run: what it prints was never printed
  #end: RunEnd | undefined;
  readonly #log: CheckedLog;
  /** Which interruptions were found. */
  readonly search: InterruptionSearch;

  /** Makes the machine, at position 0. Throws CheckpointError or KvmError. */
  constructor(recording: Recording, { output = () => {}, lenient = false }: ReplayOptions = {}) {
    this.#log = new CheckedLog(lenient, () => this.position);
    this.#interval = new Interval(recording, 0);
    using made = new Cleanup();
    this.recording = recording;
    const say: typeof output = (...text) => (this.#isMuted ? undefined : output(...text));
    using first = recording.open(0);
    const { machine, load } = restoreMachine(first, { generation: 'keep' });
    this.machine = made.use(machine);
    this.local = made.use(
      new LocalMachine(machine, {
        output: say,
        now: () => this.#log.now(),
        gate: this.#injection,
        idle: (exits) => this.#idle(exits),
        served: (exits) => this.#afterExit(exits),
      }),
    );
    this.#gifts = new Gifts(machine, machine.host(say));
    this.#interrupts = interruptSource(machine);
    const abilities = debugAbilities(machine.kvm);
    this.#stepper = new Stepper(this.local, abilities);
    this.search = made.use(new InterruptionSearch(this.local, this.#stepper, abilities, this.#injection));
    load(this.local);
    this.session = made.use(new CheckpointSession(this.local, recording.store, { base: first.digest }));
    this.#points = made.use(new Points(recording, this.session));
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
    const problem = this.#uncertain();
    this.#stepper.see();
    return problem ?? this.#stepper.problem;
  }

  /** An interrupt comes in the next step; on some hosts its handler is a part of that step. */
  get isDelivering(): boolean {
    const isInjected = () => this.local.vcpu.getVcpuEvents().interrupt.injected !== 0;
    return this.#log.next?.kind === 'interrupt' || (this.#mayDeliver && isInjected());
  }

  /** A handler of an interrupt or exception may have been a part of the last step. */
  get mayHaveHandled(): boolean {
    return this.#stepper.pushedFrame;
  }

  /** How the guest ended, once it has. */
  get end(): RunEnd | undefined {
    return this.#end;
  }

  /** What was not verified so far, as the interruption at its end was not found. */
  get notRun(): readonly NotRun[] {
    return this.search.notRun;
  }

  /** Milliseconds from the beginning of the recording to here, as they passed then. */
  get passedMs(): number {
    return this.#interval.ms + this.#log.passedMs;
  }

  /** Puts the machine back to a point of the recording. */
  load(point: number): void {
    this.#stepper.off();
    this.#points.load(point);
    this.#enter(point);
  }

  /** Puts the machine to the nearest place before a position that is at hand, unless it stands nearer. */
  approach(position: Position): void {
    const point = this.recording.pointBefore(position.exits);
    const mark = this.#marks.before(point, position);
    const start = mark?.standing.position ?? { exits: this.recording.points[point]!.exits, steps: 0 };
    const isNearer = comparePositions(this.position, start) >= 0 && comparePositions(this.position, position) <= 0;
    this.#marks.begin();
    if (isNearer && !this.#log.isOther) return;
    this.load(point);
    if (!mark) return;
    this.#marks.load(mark);
    const { log, isOpen, verified } = mark.standing;
    this.#turns.passOver(this.local.exits);
    ({ exits: this.#exits, steps: this.#steps } = mark.standing.position);
    this.#log.begin(log.copy(), verified);
    this.#injection.loaded(this.local, isOpen);
  }

  /** On a long way: keeps a temporary checkpoint here, if the last is far enough away, from which {@link approach} begins. */
  mark(): void {
    if (this.#end || !this.#marks.isDue) return;
    this.#stepper.off();
    const standing = { position: this.position, point: this.#point, isOpen: this.#injection.open };
    this.#marks.keep({ ...standing, ...this.#log.standing() });
    this.#turns.passOver(this.local.exits);
  }

  #enter(point: number): void {
    const { points } = this.recording;
    this.#turns.passOver(this.local.exits);
    this.#mayDeliver = true;
    this.#steps = 0;
    this.#exits = points[point]!.exits;
    this.#end = undefined;
    this.#injection.loaded(this.local, point > 0 && this.recording.segment(point).open);
    this.#marks.begin(0);
    this.#goOn(point);
  }

  /** Here is a point: the log behind it is next. If a second one has as many exits, nothing ran between them: it is loaded. */
  #goOn(point: number): void {
    this.#point = point;
    this.#interval = new Interval(this.recording, point);
    if (this.#interval.to === this.#exits) this.load(point + 1);
    else {
      this.#log.begin(this.#interval.log(), this.#exits);
      this.#log.give(this.#gifts);
    }
  }

  /** The run has come to the next point: all has to be as recorded, and the log at its end. */
  #atPoint(): void {
    this.#log.check();
    this.#log.point(() => this.#points.unlike(this.#point + 1));
    this.#goOn(this.#point + 1);
  }

  /**
   * Runs on until the guest has made `exits` exits and the last one is complete: that may take it further, where one instruction
   * makes several. Compares all at each checkpoint on the way. Throws ReplayDivergence.
   */
  runTo(exits: number): void {
    while (this.#exits < exits && this.#interval.to !== undefined) {
      this.#stepper.off();
      if (!this.#interval.leadsToInterruption(this.#exits)) {
        this.#run(Math.min(exits, this.#interval.lastExit));
        this.#arrived();
      } else if (this.#find() === 'found') this.#atInterruption();
      else {
        this.#log.end();
        this.load(this.#point + 1);
      }
    }
  }

  #find(others: readonly bigint[] = []): Found {
    return this.search.find(this.#interval, () => this.#isLikePoint(), others);
  }

  /** Why steps from here may be those of another run; undefined where they are not. Looks for the interruption that is next, once. */
  #uncertain(): string | undefined {
    if (!this.#interval.leadsToInterruption(this.#exits)) return undefined;
    const [point, interval] = [this.#point, this.#interval];
    if (this.#steps === 0 && this.search.wasFound(interval) === undefined) {
      this.#find();
      this.load(point);
      this.runTo(interval.lastExit);
    }
    return this.search.problem(interval, this.#steps);
  }

  /** After a step: it may have led to an interruption. */
  #seeInterruption(): void {
    if (!this.#interval.leadsToInterruption(this.#exits) || !this.#interval.isLikePlace(this.#stepper)) return;
    this.#stepper.off();
    if (this.#isLikePoint()) this.#atInterruption();
  }

  #isLikePoint(): boolean {
    return !this.#log.next && this.#points.unlike(this.#point + 1) === undefined;
  }

  #atInterruption(): void {
    this.#exits++;
    this.#steps = 0;
    this.#injection.loaded(this.local, true);
    this.#turns.passOver(this.local.exits);
    this.#goOn(this.#point + 1);
  }

  /** KVM_RUN came back with a stop of ours, which is no exit. */
  #stopped(): void {
    this.#turns.passOver(this.local.exits);
    this.#injection.interrupted();
  }

  /**
   * Runs one step, or what is left of the instruction that makes the next exit. `served` is called when that exit is served and not
   * complete: what has changed in memory then was not the vCPU. Steps may pass over an interruption: its checkpoint is
   * loaded then, and no further step leads there. False at the end. Throws ReplayDivergence, UsageError.
   */
  step(served?: () => void): boolean {
    if (this.#interval.to === undefined) return false;
    this.#stepper.on(this.#uncertain());
    const leads = this.#interval.leadsToInterruption(this.#exits);
    this.#target = this.#exits + 1;
    this.#isMuted = leads;
    const mayDeliver = () => this.#mayDeliver;
    const end = stepOnce(this.local, this.#stepper, NEXT_EXIT_MS, mayDeliver, () => this.#stopped());
    this.#mayDeliver = this.#isMuted = false;
    if (!end) {
      this.#steps++;
      this.#seeInterruption();
      return true;
    }
    if (leads) {
      this.search.passedOver.add(this.#interval.lastExit + 1);
      this.load(this.#point + 1);
      return true;
    }
    this.#ended(end);
    served?.();
    this.#arrived();
    return true;
  }

  /**
   * Runs on at full speed until an instruction at one of at most four linear addresses (three in an interval that ends at an interruption) is
   * next (true), or until `exits` exits are made, at most up to the next point. How many steps lead to such an instruction is not known:
   * the position has infinitely many. Throws ReplayDivergence, UsageError.
   */
  runToBreak(addresses: readonly bigint[], exits: number): boolean {
    if (this.#interval.to === undefined) return false;
    if (this.#interval.leadsToInterruption(this.#exits)) return this.#breakBeforeInterruption(addresses);
    this.#stepper.breakAt(addresses);
    this.#run(Math.min(exits, this.#interval.lastExit));
    if (this.#steps < Number.POSITIVE_INFINITY) this.#arrived();
    return this.#steps === Number.POSITIVE_INFINITY;
  }

  #breakBeforeInterruption(addresses: readonly bigint[]): boolean {
    const found = this.#find(addresses);
    if (found === 'lost') {
      this.load(this.#point);
      throw new UsageError(this.search.problem(this.#interval) ?? TOO_OFTEN);
    }
    if (found === 'found') this.#atInterruption();
    else this.#steps = Number.POSITIVE_INFINITY;
    return found === 'other';
  }

  /** An exit was made: completes it. */
  #arrived(): void {
    this.#stepper.rest();
    this.#steps = 0;
    this.local.completePendingIo();
    this.#log.check();
    if (this.#exits >= this.#interval.to!) this.#atPoint();
  }

  /** Runs to the exit of this number, at least one, or to a breakpoint. */
  #run(target: number): void {
    this.#target = target;
    while (this.#exits < target) {
      const end = this.local.advance(NEXT_EXIT_MS);
      if (Stepper.isStep(end)) {
        this.#stopped();
        this.#steps = Number.POSITIVE_INFINITY;
        return;
      }
      this.#ended(end);
      if (end !== ARRIVED && this.#exits < target) throw this.#log.unlike(`the guest ends (${end.reason})`);
    }
  }

  /** The run loop came back with an end: notes the exit that it was. Throws ReplayDivergence. */
  #ended(end: RunEnd): void {
    if (GUEST_ENDS.has(end.reason)) {
      this.#made();
      this.#end = end;
    }
    this.#log.check();
    if (end.reason === 'timeout') throw this.#log.unlike(`the guest makes no exit for ${NEXT_EXIT_MS / 1000} s`);
  }

  /** There is an exit in the area. */
  #made(): void {
    this.#exits++;
    this.#log.exit(this.local.vcpu.area);
  }

  #afterExit(exits: number): RunEnd | undefined {
    if (!this.#turns.served(this.local, exits)) return undefined;
    if (this.#log.isOther) return DIVERGED;
    this.#log.give(this.#gifts);
    return this.#exits >= this.#target ? ARRIVED : undefined;
  }

  #idle(exits: number): RunEnd | undefined {
    this.#turns.tell(exits);
    if (this.#log.isOther) return DIVERGED;
    this.#log.give(this.#gifts);
    if (this.#interrupts.waiting()) return undefined;
    this.#turns.waits(this.local, exits);
    if (this.#exits >= this.#target) return ARRIVED;
    this.#log.unlike('the guest waits in HLT');
    return DIVERGED;
  }

  [Symbol.dispose](): void {
    this.session[Symbol.dispose]();
    this.search[Symbol.dispose]();
    this.#points[Symbol.dispose]();
    this.local[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }
}
