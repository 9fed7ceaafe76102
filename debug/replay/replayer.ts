/**
 * Runs a recorded machine again. Its devices work as they did; what came from the host then comes from the log now, and each
 * exit is compared with the recorded one. The machine runs in the calling thread.
 */
import { restoreMachine } from '../../snapshot/restore.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import type { DeviceHost } from '../../src/devices/device.ts';
import { openSerialInput, type SerialInput } from '../../src/devices/serial-input.ts';
import { Cleanup } from '../../src/ffi/cleanup.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { GUEST_ENDS, type RunEnd } from '../../src/runner/result.ts';
import { ExitTurns } from '../recording/exit-turns.ts';
import { Injection } from '../recording/injection.ts';
import { type LoggedExit, LogReader, LogWriter } from '../recording/log.ts';
import type { Position } from '../recording/position.ts';
import { debugAbilities } from '../stops/abilities.ts';
import { type Differences, differences, differencesText } from './compare.ts';
import { entryText, exitDifference, ReplayDivergence } from './divergence.ts';
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

/** See the file's header. Dispose of it after use. */
export class Replayer implements Disposable {
  readonly recording: Recording;
  readonly machine: Machine;
  readonly local: LocalMachine;
  readonly session: CheckpointSession;
  readonly #input: SerialInput;
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
    this.#input = openSerialInput(machine.devices, machine.deviceState, machine.host(output));
    this.#stepper = new Stepper(this.local, debugAbilities(machine.kvm));
    load(this.local);
    this.session = made.use(new CheckpointSession(this.local, recording.store, { base: first.digest }));
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

  #enter(point: number): void {
    const { points } = this.recording;
    this.#turns.passOver(this.local.exits);
    this.#point = point;
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
   * Runs one step, or what is left of the instruction that makes the next exit. `served` is called when that exit is served
   * and not complete: what has changed in memory then was not the vCPU. False at the end of the recording. Throws
   * ReplayDivergence, UsageError where this host cannot step.
   */
  step(served?: () => void): boolean {
    const next = this.recording.points[this.#point + 1];
    if (!next) return false;
    this.#stepper.on();
    this.#target = this.#exits + 1;
    const stepper = this.#stepper;
    const quirks = stepQuirks();
    stepper.begin();
    let end = this.local.advance(NEXT_EXIT_MS);
    if (quirks.pushesTrapFlag) clearTrapFlag(this.machine, stepper.before);
    if (Stepper.isStep(end)) {
      this.#turns.passOver(this.local.exits);
      this.#injection.interrupted();
      stepper.taken();
      if (!quirks.losesHalt || !undoHalt(this.local, stepper)) {
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

  /** An exit was made: completes it, and compares all where a checkpoint is. */
  #arrived(atPoint: number): void {
    this.#stepper.off();
    this.#steps = 0;
    this.complete();
    if (this.#exits >= atPoint) this.#pass();
  }

  /** Completes the last exit. Throws ReplayDivergence. */
  complete(): void {
    this.local.completePendingIo();
    if (this.#divergence) throw this.#divergence;
  }

  /** Runs to the exit of this number, at least one. */
  #run(target: number): void {
    this.#target = target;
    while (this.#exits < target) {
      const end = this.local.advance(NEXT_EXIT_MS);
      this.ended(end);
      if (end !== ARRIVED && this.#exits < target)
        throw this.#diverged(`the guest ends (${end.reason}), recorded is ${entryText(this.#log.peek())}`);
    }
  }

  /** The run loop came back with an end: notes the exit that it was. Throws ReplayDivergence. */
  ended(end: RunEnd): void {
    if (GUEST_ENDS.has(end.reason)) {
      this.#compareExit();
      this.#end = end;
    }
    if (this.#divergence) throw this.#divergence;
    if (end.reason === 'timeout')
      throw this.#diverged(
        `the guest makes no exit for ${NEXT_EXIT_MS / 1000} s, recorded is ${entryText(this.#log.peek())}`,
      );
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

  /** The clock as it was read then. */
  #now(): number {
    const entry = this.#log.takeIf('time');
    if (entry) return entry.ms;
    this.#diverged(`a device reads the host's clock, recorded is ${entryText(this.#log.peek())}`);
    return 0;
  }

  #injected(vector: number): void {
    const entry = this.#log.takeIf('interrupt');
    if (entry?.vector !== vector)
      this.#diverged(
        `interrupt 0x${vector.toString(16)} is injected, recorded is ${entryText(entry ?? this.#log.peek())}`,
      );
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
    const replayed = this.#decode();
    const recorded = this.#log.takeIf('exit');
    if (this.#isLenient) return;
    if (!recorded) {
      this.#diverged(`the guest makes the exit "${entryText(replayed)}", recorded is ${entryText(this.#log.peek())}`);
      return;
    }
    const what = exitDifference(recorded, replayed);
    if (what !== undefined) this.#diverged(what);
  }

  #decode(): LoggedExit {
    this.#scratch.clear();
    this.#scratch.exit(this.local.vcpu.area);
    return new LogReader(this.#scratch.bytes, 'this replay').take() as LoggedExit;
  }

  /** Gives the guest the input that it got here. */
  #give(): void {
    for (let entry = this.#log.takeIf('input'); entry; entry = this.#log.takeIf('input')) {
      const taken = this.#input.receive(entry.bytes);
      if (taken !== entry.bytes.length)
        this.#diverged(`the serial port takes ${taken} bytes of input, recorded is ${entry.bytes.length}`);
    }
  }

  #idle(exits: number): RunEnd | undefined {
    this.#turns.tell(exits);
    if (this.#divergence) return DIVERGED;
    this.#give();
    if (this.machine.lines.waiting) return undefined;
    this.#turns.waits(exits);
    return ARRIVED;
  }

  [Symbol.dispose](): void {
    this.session[Symbol.dispose]();
    this.#loaded?.[Symbol.dispose]();
    this.local[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }
}
