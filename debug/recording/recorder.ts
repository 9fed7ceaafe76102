/**
 * Records a run, so that it can be run again: checkpoints at intervals, and between them a log of all that the host gave to the
 * guest. The machine runs in the calling thread; what the host has for the guest is given to it at exits alone.
 */
import type { GuestOrigin } from '../../snapshot/machine-state.ts';
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
import { ASSIST_MODE, type AssistMode } from '../../src/runner/assist.ts';
import { LocalMachine } from '../../src/runner/local-machine.ts';
import { GUEST_ENDS, type RunEnd } from '../../src/runner/result.ts';
import { ExitTurns } from './exit-turns.ts';
import { Injection } from './injection.ts';
import { LogWriter } from './log.ts';
import { checkRecordable, missingChip } from './recordable.ts';
import { encodeSegment } from './segment.ts';

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
}

const RECORD_OPTIONS: OptionKinds<RecordOptions> = {
  everyMs: MILLISECONDS,
  output: FUNCTION,
  guest: OBJECT,
  assist: ASSIST_MODE,
  tag: TEXT,
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
/** The guest waits for input in HLT. */
export const WAITS: RunEnd = { reason: 'stop-point', stopPoint: 'waits' };
const REFUSED: RunEnd = { reason: 'stop-point', stopPoint: 'refused' };
const LAST_EXIT: RunEnd = { reason: 'stop-point', stopPoint: 'last exit' };

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
    this.#input = openSerialInput(machine.devices, machine.deviceState, machine.host(output));
    try {
      this.#session = new CheckpointSession(this.local, store, guest ? { guest } : {});
    } catch (error) {
      this.local[Symbol.dispose]();
      throw error;
    }
    this.#due = 0;
    this.#checkpoint();
  }

  /** Exits that the guest has made. */
  get exits(): number {
    return this.#exits;
  }

  /** Queues serial input. The guest gets it at its next exit, or wakes from HLT by it. */
  send(bytes: Uint8Array): void {
    this.#queue = Buffer.concat([this.#queue, bytes]);
  }

  /** Bytes of input that the guest has not got yet. */
  get waiting(): number {
    return this.#queue.length;
  }

  #now(): number {
    const ms = Date.now();
    this.#log.time(ms);
    return ms;
  }

  /**
   * Runs until the guest ends, until the time is up, or until it waits for input (stop point "waits"). Throws UsageError for a
   * guest that cannot be recorded.
   */
  run({ timeoutMs }: { readonly timeoutMs?: number } = {}): RunEnd {
    const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    for (;;) {
      const left = deadline - performance.now();
      const end =
        left <= 0 ? ({ reason: 'timeout' } as const) : this.local.advance(Number.isFinite(left) ? left : undefined);
      if (end === REFUSED) throw notRecordable(this.#missing!);
      if (GUEST_ENDS.has(end.reason)) this.#append();
      if (end === CHECKPOINT_DUE) this.#checkpoint();
      else {
        this.#end = end;
        return end;
      }
    }
  }

  /** An exit that is served, or a signal. */
  #afterExit(exits: number): RunEnd | undefined {
    if (!this.#turns.served(this.local, exits)) return undefined;
    this.#missing ??= missingChip(this.local.vcpu.area);
    if (this.#missing !== undefined) return REFUSED;
    if (this.#queue.length > 0) this.#give();
    if (this.#isStopping) return LAST_EXIT;
    return this.#passedMs() >= this.#due || this.#log.length > LOG_BYTES ? CHECKPOINT_DUE : undefined;
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
    if (this.local.machine.lines.waiting) return undefined;
    this.#turns.waits(exits);
    return WAITS;
  }

  #checkpoint(tags: readonly string[] = []): void {
    const { digest, lostParent } = this.#session.checkpoint({
      label: `exit:${this.#exits}`,
      tags,
      recording: (runs) => (this.#last ? this.#segment(runs) : undefined),
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

  #segment(runs: readonly PageRun[]): Uint8Array {
    const written = runs.flatMap(({ gpa, bytes }) => [gpa / PAGE_SIZE, bytes.length / PAGE_SIZE]);
    const log = this.#log.bytes;
    return encodeSegment({
      version: 1,
      from: this.#from,
      to: this.#exits,
      ms: this.#fromMs,
      open: this.#injection.open,
      written,
      log,
    });
  }

  /**
   * Ends the recording with a checkpoint. Where the guest is in the middle of a computation it first runs on to its next exit,
   * at most a second: what comes after the last exit is not recorded then.
   */
  finish(): RecordReport {
    const { tag } = this.#options;
    const isMidway = this.#end?.reason === 'timeout' || this.#end?.reason === 'interrupted';
    this.#isStopping = true;
    const end = isMidway ? this.local.advance(LAST_EXIT_MS) : this.#end;
    this.#isStopping = false;
    if (isMidway && end && GUEST_ENDS.has(end.reason)) this.#append();
    const isCut = end?.reason === 'timeout';
    if (!isCut) this.#checkpoint(tag === undefined ? [] : [tag]);
    else if (tag !== undefined) this.#session.store.tag(this.#last!, tag);
    const exits = isCut ? this.#from : this.#exits;
    return { digest: this.#last!, exits, checkpoints: this.#checkpoints, logBytes: this.#logBytes, isCut };
  }

  /** Ends dirty logging and closes the vCPU. Store and machine stay open. */
  [Symbol.dispose](): void {
    this.#session[Symbol.dispose]();
    this.local[Symbol.dispose]();
  }
}

const notRecordable = (chip: string) =>
  new UsageError(`the guest uses ${chip}, which a recorded machine does not have: it cannot be recorded`, { chip });
