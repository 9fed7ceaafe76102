/** The run of a guest that is recorded, and who has changed its memory in it. */
import { instructionText, writerText } from '../../debug/blame/write-text.ts';
import { type MemoryRange, type MemoryWrite, writesBefore } from '../../debug/blame/writes.ts';
import { type History, openHistory } from '../../debug/history.ts';
import { LAST_EXIT, Recorder, type RecordOptions, WAITS } from '../../debug/recording/recorder.ts';
import type { SymbolTable } from '../../loaders/symbols.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { UsageError } from '../../src/errors.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { LocalMachine } from '../../src/runner/local-machine.ts';
import { GUEST_ENDS, type RunEnd } from '../../src/runner/result.ts';
import { describeEnd } from './narrate.ts';

/** A change of memory, with names. */
export interface BlamedWrite extends MemoryWrite {
  /** Where `rip` is: symbol and offset. */
  readonly symbol?: string;
  /** The instruction in Intel syntax. */
  readonly instruction?: string;
  /** Position, time, who and where, in a line. */
  readonly text: string;
}

/** So much time of the processor a message about a failed test takes to find who wrote the value: as much on a busy host as on an idle one. */
const MESSAGE_MS = 3000;

/** Milliseconds of the processor that this process has had. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const TIMEOUT: RunEnd = { reason: 'timeout' };
/** The guest has not ended, and stands at an exit. */
const STANDS: ReadonlySet<RunEnd> = new Set([WAITS, LAST_EXIT]);

/** See the file's header. */
export class RecordedRun implements Disposable {
  readonly #recorder: Recorder;
  readonly #store: Store;
  readonly #symbols: SymbolTable;
  #last: RunEnd | undefined;
  /** Of all that has run so far. */
  #history: History | undefined;

  /** Takes the first checkpoint. Throws UsageError for a machine that cannot be recorded, CheckpointError, KvmError. */
  constructor(
    machine: Machine,
    store: Store,
    symbols: SymbolTable,
    hooks: Required<Pick<RecordOptions, 'output' | 'served'>>,
  ) {
    this.#recorder = new Recorder(machine, store, hooks);
    this.#store = store;
    this.#symbols = symbols;
  }

  /** The machine that runs. */
  get local(): LocalMachine {
    return this.#recorder.local;
  }

  /**
   * Runs until the guest ends, until `served` says so, or until the time is up; then it goes on to its next exit, for at most a
   * second. A guest that waits in HLT for what cannot come ends with "timeout" at once. Throws UsageError for a guest that
   * cannot be recorded, or has ended.
   */
  run(timeoutMs: number): RunEnd {
    if (this.#last && GUEST_ENDS.has(this.#last.reason))
      throw new UsageError(`the guest has ended (${describeEnd(this.#last)}), and its recording with it`);
    this.#forget();
    const end = this.#recorder.run({ timeoutMs });
    this.#last = (end.reason === 'timeout' && this.#recorder.settle()) || end;
    return STANDS.has(this.#last) ? TIMEOUT : this.#last;
  }

  /** Queues serial input: the guest gets it at its next exit, or in HLT. */
  send(bytes: Uint8Array): void {
    this.#recorder.send(bytes);
  }

  /**
   * The changes of some memory so far, newest first: at most so many, and what is found until `isOver` returns true. Throws
   * UsageError, GuestMemoryError, or ReplayDivergence where the guest depends on what cannot be recorded.
   */
  writes(ranges: readonly MemoryRange[], most: number, isOver: () => boolean = () => false): BlamedWrite[] {
    const history = this.#historySoFar();
    this.#checkSame(history, ranges);
    const found: BlamedWrite[] = [];
    for (const write of writesBefore(history.replayer, ranges, history.end, isOver)) {
      found.push(this.#named(write));
      if (found.length >= most) break;
    }
    return found;
  }

  /** Who has changed some memory last, as a line of a message; says so where that is not known. */
  lastWriter(ranges: readonly MemoryRange[]): string {
    const deadline = processorMs() + MESSAGE_MS;
    const isOver = () => processorMs() > deadline;
    try {
      const [last] = this.writes(ranges, 1, isOver);
      if (last) return `changed last ${last.text}`;
      return isOver()
        ? `changed last: not found within ${MESSAGE_MS} ms of the processor; guest.blame() looks longer`
        : 'never changed since the guest was started';
    } catch (error) {
      return `changed last: not known: ${(error as Error).message}`;
    }
  }

  #historySoFar(): History {
    if (this.#last?.reason === 'timeout')
      throw new UsageError(
        'the guest was stopped in the middle of a computation, of which there is no recording: run it until a place, or to its end',
      );
    this.#history ??= openHistory(this.#store, this.#recorder.checkpoint().digest);
    this.#history.seek(this.#history.end);
    return this.#history;
  }

  /** What is blamed has to be what the test sees. */
  #checkSame(history: History, ranges: readonly MemoryRange[]): void {
    for (const { gpa, length } of ranges) {
      const [replayed, now] = [history.machine, this.local.machine].map(({ memory }) => memory.view(gpa, length));
      if (Buffer.compare(replayed!, now!) !== 0)
        throw new UsageError(
          `memory at 0x${gpa.toString(16)} is not as the guest has left it: a recorded guest's memory is not to be written`,
        );
    }
  }

  #named(write: MemoryWrite): BlamedWrite {
    const symbol = write.rip === undefined ? undefined : this.#symbols.describe(write.rip);
    const instruction = instructionText(write);
    return {
      ...write,
      ...(symbol !== undefined && { symbol }),
      ...(instruction !== undefined && { instruction }),
      text: writerText(write, this.#symbols),
    };
  }

  #forget(): void {
    this.#history?.[Symbol.dispose]();
    this.#history = undefined;
  }

  /** Ends the recording. Store and machine stay open. */
  [Symbol.dispose](): void {
    this.#forget();
    this.#recorder[Symbol.dispose]();
  }
}
