/**
 * Records a run, so that it can be run again: checkpoints at intervals, and between them a log of all that the host gave to the
 * guest. The machine runs in the calling thread; what the host has for the guest is given to it at exits, and where it computes for long
 * without one, at interruptions.
 */
import type { GuestOrigin } from '../../snapshot/machine-description.ts';
import { CheckpointSession } from '../../snapshot/session.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Store } from '../../snapshot/store/store.ts';
import type { PageRun } from '../../snapshot/store/store-types.ts';
import { checkArguments, MACHINE, STORE } from '../../src/arguments.ts';
import type { DeviceHost } from '../../src/devices/device.ts';
import { openSerialInput, type SerialInput } from '../../src/devices/serial-input.ts';
import { CheckpointError, UsageError } from '../../src/errors.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { checkOptions, FUNCTION, MILLISECONDS, OBJECT, type OptionKinds, TEXT } from '../../src/options.ts';
import { ASSIST_MODE, type AssistMode } from '../../src/runner/assist/mode.ts';
import { type InterruptSource, interruptSource } from '../../src/runner/line-interrupts.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { GUEST_ENDS, type RunEnd } from '../../src/runner/result.ts';
import { ExitTurns } from './exit-turns.ts';
import { Injection } from './injection.ts';
import { Interruptions } from './interruptions.ts';
import { LogWriter } from './log.ts';
import { checkRecordable, missingChip } from './recordable.ts';
import { encodeSegment, type InterruptionRegisters } from './segment.ts';
import { exactNow, openTimer, type RecordedTimer } from './timer.ts';

/** How a run is recorded. */
export interface RecordOptions {
  /** Milliseconds between checkpoints. Default: 100. */
  readonly everyMs?: number;
  /** Receives what the guest prints, while it runs. The bytes are valid during the call. */
  readonly output?: DeviceHost['output'];
  readonly guest?: GuestOrigin;
  readonly assist?: AssistMode;
  /** A name for the last checkpoint. */
  readonly tag?: string;
  /** Called after each recorded exit, with what {@link LocalMachine.exits} counts. A returned end ends the run there. */
  readonly served?: (exits: number) => RunEnd | undefined;
}

const RECORD_OPTIONS: OptionKinds<RecordOptions> = {
  everyMs: MILLISECONDS,
  output: FUNCTION,
  guest: OBJECT,
  assist: ASSIST_MODE,
  tag: TEXT,
  served: FUNCTION,
};

/** A seek replays half an interval on average: about 50 ms. */
export const DEFAULT_INTERVAL_MS = 100;

/** A log of this many bytes is a reason for a checkpoint, too. */
const LOG_BYTES = 8 * 2 ** 20;

/** How long the end of a recording waits for the guest's next exit. */
const LAST_EXIT_MS = 1000;

/** The number in a checkpoint's stats that says where in a recording it is. */
export const EXITS_STAT = 'recordedExits';

const CHECKPOINT_DUE: RunEnd = { reason: 'stop-point', stopPoint: 'checkpoint' };
const INTERRUPTION_DUE: RunEnd = { reason: 'stop-point', stopPoint: 'interruption' };
/** The guest waits for input in HLT. */
export const WAITS: RunEnd = { reason: 'stop-point', stopPoint: 'waits' };
const REFUSED: RunEnd = { reason: 'stop-point', stopPoint: 'refused' };
/** The time is up while the guest waits for its timer in HLT. */
export const TIMEOUT_IN_HLT: RunEnd = { reason: 'timeout' };
const TIMEOUT: RunEnd = { reason: 'timeout' };
/** The exit at which {@link Recorder.settle} has stopped. */
export const LAST_EXIT: RunEnd = { reason: 'stop-point', stopPoint: 'last exit' };

/** What a recording has come to. */
export interface RecordReport {
  /** Its last checkpoint. */
  readonly digest: Digest;
  readonly exits: number;
  readonly checkpoints: number;
  /** Bytes of the log before compression. */
  readonly logBytes: number;
  /** The guest ran on after the last exit that is recorded, without another. */
  readonly isCut: boolean;
}

/**
 * A recording of one machine into one store. Dispose of it before the machine.
 *
 * @example
 * ```ts
 * import { bootImage, load, Machine, openStore, readImage, Recorder } from 'vmlapse';
 * import { guestPath } from 'vmlapse/guests';
 *
 * using machine = Machine.create({ memory: 16 * 2 ** 20, irqchip: false });
 * using file = readImage(guestPath('hello-long'));
 * bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
 * using store = openStore('recordings', { create: true });
 * using recorder = new Recorder(machine, store);
 * console.log(recorder.run().reason); // exit-port
 * console.log(recorder.finish().exits);
 * ```
 */
export class Recorder implements Disposable {
  readonly local: LocalMachine;
  readonly #session: CheckpointSession;
  readonly #options: RecordOptions;
  readonly #everyMs: number;
  readonly #log = new LogWriter();
  readonly #injection = new Injection((vector) => this.#log.interrupt(vector));
  readonly #turns = new ExitTurns(this.#injection, () => this.#append());
  readonly #input: SerialInput;
  readonly #interrupts: InterruptSource;
  readonly #timer: RecordedTimer | undefined;
  readonly #interruptions: Interruptions;
  #queue: Uint8Array = new Uint8Array(0);
  #exits = 0;
  #from = 0;
  #fromMs = 0;
  #began = performance.now();
  #passed = 0;
  #due: number;
  #logBytes = 0;
  #checkpoints = 0;
  #last: Digest | undefined;
  #end: RunEnd | undefined;
  #missing: string | undefined;
  #isStopping = false;
  /** Of the run that is under way; performance.now() milliseconds. */
  #deadline = Number.POSITIVE_INFINITY;

  /**
   * Takes the first checkpoint, at position 0. Throws UsageError for a machine that cannot be recorded, KvmError or
   * CheckpointError.
   */
  constructor(machine: Machine, store: Store, options: RecordOptions = {}) {
    checkArguments('new Recorder', [machine, MACHINE], [store, STORE]);
    checkOptions(options, RECORD_OPTIONS);
    checkRecordable(machine);
    const { output = () => {}, assist, guest, everyMs = DEFAULT_INTERVAL_MS } = options;
    this.#options = options;
    this.#everyMs = everyMs;
    this.local = new LocalMachine(machine, {
      output,
      ...(assist && { assist }),
      now: () => this.#now(),
      gate: this.#injection,
      idle: (exits) => this.#idle(exits),
      served: (exits) => this.#afterExit(exits),
    });
    const host = machine.host(output);
    this.#input = openSerialInput(machine.devices, machine.deviceState, host);
    this.#interrupts = interruptSource(machine);
    this.#timer = openTimer(machine, host, this.#log);
    this.#interruptions = new Interruptions(() => this.local, {
      ...{ interrupts: this.#interrupts, input: this.#input, timer: this.#timer },
      queued: () => this.waiting,
    });
    try {
      this.#session = new CheckpointSession(this.local, store, guest ? { guest } : {});
    } catch (error) {
      this.local[Symbol.dispose]();
      throw error;
    }
    this.#due = 0;
    this.#checkpoint();
  }

  /** Exits that the guest has made, and interruptions in a computation. */
  get exits(): number {
    return this.#exits;
  }

  /** Queues serial input. The guest gets it at its next exit, where it is interrupted if it makes none, or wakes from HLT by it. */
  send(bytes: Uint8Array): void {
    this.#queue = Buffer.concat([this.#queue, bytes]);
  }

  /** Bytes of input that the guest has not got yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  #now(): number {
    const ms = exactNow();
    this.#log.time(ms);
    return ms;
  }

  /**
   * Runs until the guest ends, until the time is up, or until it waits for input (stop point "waits"). A recording ends with its
   * guest: a further run returns the same end. Throws UsageError for a guest that cannot be recorded.
   */
  run({ timeoutMs }: { readonly timeoutMs?: number } = {}): RunEnd {
    if (this.#end && GUEST_ENDS.has(this.#end.reason)) return this.#end;
    this.#deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    for (;;) {
      const left = this.#deadline - performance.now();
      const end = left <= 0 ? TIMEOUT : this.local.advance(Number.isFinite(left) ? left : undefined);
      if (end === REFUSED) throw notRecordable(this.#missing!);
      if (GUEST_ENDS.has(end.reason)) this.#append();
      const stop = end === INTERRUPTION_DUE ? this.#interruption() : end;
      if (stop === CHECKPOINT_DUE) this.#checkpoint();
      else if (stop) {
        this.#end = stop;
        return stop;
      }
    }
  }

  /** An exit that is served, or a signal. */
  #afterExit(exits: number): RunEnd | undefined {
    if (!this.#turns.served(this.local, exits))
      return this.#interruptions.isDue(this.#began + this.#passed) ? INTERRUPTION_DUE : undefined;
    this.#interruptions.exited();
    this.#missing ??= missingChip(this.local.vcpu.area, this.local.machine.config);
    return this.#missing !== undefined ? REFUSED : this.#afterStop(exits);
  }

  /** What the guest gets where it is stopped. */
  #afterStop(exits: number): RunEnd | undefined {
    if (this.#queue.length > 0) this.#give();
    const before = this.#passed;
    const ms = this.#passedMs();
    if (ms > before) this.#timer?.poll();
    const end = this.#options.served?.(exits);
    if (end) return end;
    if (this.#isStopping) return LAST_EXIT;
    return ms >= this.#due || this.#log.length > LOG_BYTES ? CHECKPOINT_DUE : undefined;
  }

  /** The guest stands in the middle of a computation: a checkpoint is taken there, and then it gets what waits for it. */
  #interruption(): RunEnd | undefined {
    const began = performance.now();
    this.local.completePendingIo();
    this.#exits++;
    this.#injection.loaded(this.local, true);
    try {
      this.#checkpoint([], this.local.vcpu.getRegs());
    } catch (error) {
      this.#exits--; // without its checkpoint it is none
      this.#injection.interrupted();
      throw error;
    }
    this.#interruptions.taken(performance.now() - began);
    this.#timer?.poll();
    return this.#afterStop(this.local.exits);
  }

  /** Writes an exit into the log. */
  #append(): void {
    this.#exits++;
    this.#log.exit(this.local.vcpu.area);
  }

  /** Milliseconds since the recording began; into the log, too, when they have changed. */
  #passedMs(): number {
    const ms = Math.floor(performance.now() - this.#began);
    if (ms > this.#passed) {
      this.#log.passed(ms - this.#passed);
      this.#passed = ms;
    }
    return ms;
  }

  /** Gives the guest as much of the input as it takes. */
  #give(): void {
    const taken = this.#input.receive(this.#queue);
    if (taken === 0) return;
    this.#log.input('serial', this.#queue.subarray(0, taken));
    this.#queue = this.#queue.subarray(taken);
  }

  #idle(exits: number): RunEnd | undefined {
    this.#turns.tell(exits);
    if (this.#queue.length > 0) this.#give();
    const end = this.#interrupts.waiting() ? undefined : this.#awaitTick();
    if (end) this.#turns.waits(this.local, exits);
    return end;
  }

  /** Sleeps until an interrupt of the timer. An end where none can come, or where the time is up before. */
  #awaitTick(): RunEnd | undefined {
    while (!this.#interrupts.waiting()) {
      if (this.#isStopping || !this.#timer?.canWake()) return WAITS;
      const left = this.#deadline - performance.now();
      if (left <= 0) return TIMEOUT_IN_HLT;
      this.#timer.sleep(left);
    }
    return undefined;
  }

  /** Of an instruction that makes several exits, all are made before. */
  #checkpoint(tags: readonly string[] = [], interruption?: InterruptionRegisters): void {
    this.local.completePendingIo();
    const { digest, lostParent } = this.#session.checkpoint({
      label: `exit:${this.#exits}`,
      tags,
      recording: (runs) => (this.#last ? this.#segment(runs, interruption) : undefined),
      stats: { [EXITS_STAT]: this.#exits },
    });
    if (lostParent)
      throw new CheckpointError(
        'LOST_PARENT',
        `${lostParent}, on which the recording rests, was removed from the store`,
      );
    this.#last = digest;
    this.#checkpoints++;
    this.#logBytes += this.#log.length;
    this.#log.clear();
    this.#from = this.#exits;
    this.#fromMs = this.#passedMs();
    this.#log.clear();
    this.#due = this.#fromMs + this.#everyMs;
  }

  #segment(runs: readonly PageRun[], interruption: InterruptionRegisters | undefined): Uint8Array {
    const written = runs.flatMap(({ gpa, bytes }) => [gpa / PAGE_SIZE, bytes.length / PAGE_SIZE]);
    const log = this.#log.bytes;
    return encodeSegment({
      version: interruption ? 2 : 1,
      ...(interruption && { interruption }),
      from: this.#from,
      to: this.#exits,
      ms: this.#fromMs,
      open: this.#injection.open,
      written,
      log,
    });
  }

  /**
   * Lets a guest that was stopped in the middle of a computation run on to its next exit, or to where it is interrupted, at most a
   * second. Returns how it stands then: "timeout" where neither has come; undefined where it has never run.
   */
  settle(): RunEnd | undefined {
    if (this.#end?.reason !== 'timeout' && this.#end?.reason !== 'interrupted') return this.#end;
    this.#isStopping = true;
    try {
      const end = this.local.advance(LAST_EXIT_MS);
      this.#end = (end === INTERRUPTION_DUE ? this.#interruption() : undefined) ?? end;
    } finally {
      this.#isStopping = false;
    }
    if (GUEST_ENDS.has(this.#end.reason)) this.#append();
    return this.#end;
  }

  /**
   * Takes a checkpoint, after {@link settle}. Where the guest has come to no exit there is none to take: the report is of the last
   * one then, which gets the tags.
   */
  checkpoint(tags: readonly string[] = []): RecordReport {
    const isCut = this.settle()?.reason === 'timeout';
    if (!isCut) this.#checkpoint(tags);
    else for (const tag of tags) this.#session.store.tag(this.#last!, tag);
    const exits = isCut ? this.#from : this.#exits;
    return { digest: this.#last!, exits, checkpoints: this.#checkpoints, logBytes: this.#logBytes, isCut };
  }

  /** Ends the recording: {@link checkpoint}, with the tag of the options. A further {@link run} goes on with it. */
  finish(): RecordReport {
    const { tag } = this.#options;
    return this.checkpoint(tag === undefined ? [] : [tag]);
  }

  /** Ends dirty logging and closes the vCPU. Store and machine stay open. */
  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
    this.local[Symbol.dispose]();
  }
}

const notRecordable = (chip: string) => new UsageError(`the guest uses ${chip}: it cannot be recorded`, { chip });
