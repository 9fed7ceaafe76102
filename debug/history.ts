/** A recorded run, to be gone through in both directions. */

import type { Store } from '../snapshot/store/store.ts';
import { checkArguments, STORE } from '../src/arguments.ts';
import { UsageError } from '../src/errors.ts';
import type { Machine } from '../src/machine/machine.ts';
import { isObject, type OptionKind, TEXT } from '../src/options.ts';
import { type MemoryRange, type MemoryWrite, writesBefore } from './blame/writes.ts';
import { checkPosition, type Position } from './recording/position.ts';
import { openRecording, type Recording } from './replay/recording.ts';
import type { ReplayOptions } from './replay/replay-options.ts';
import { Replayer } from './replay/replayer.ts';
import { seek, stepBack } from './replay/seek.ts';

const RECORDING: OptionKind = {
  wanted: 'a recording, as openRecording() gives it',
  fits: (value) => isObject(value) && 'points' in value && 'segment' in value,
};

/**
 * Opens the recording that leads to a checkpoint, and stands at its beginning. Throws UsageError for a checkpoint of no
 * recording, CheckpointError or KvmError.
 */
export function openHistory(store: Store, ref = 'latest', options: ReplayOptions = {}): History {
  checkArguments('openHistory', [store, STORE], [ref, TEXT]);
  return new History(openRecording(store, ref), options);
}

/**
 * A machine that goes to any position of its recorded run. Every method may throw ReplayDivergence: then the guest depends on
 * what cannot be recorded. Dispose of it after use.
 *
 * @example
 * ```ts
 * import { bootImage, load, Machine, openHistory, openStore, readImage, Recorder } from 'vmlapse';
 * import { guestPath } from 'vmlapse/guests';
 *
 * using store = openStore('histories', { create: true });
 * {
 *   using machine = Machine.create({ memory: 16 * 2 ** 20, irqchip: false });
 *   using file = readImage(guestPath('hello-long'));
 *   bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
 *   using recorder = new Recorder(machine, store);
 *   recorder.run();
 *   recorder.finish();
 * }
 * using history = openHistory(store);
 * console.log(history.end.exits); // 22
 * console.log(history.seek({ exits: 7, steps: 0 }).exits); // 7
 * console.log(history.lastWrite({ gpa: 0x100000, length: 8 })); // undefined
 * ```
 */
export class History implements Disposable {
  readonly recording: Recording;
  readonly #replayer: Replayer;

  /** Use {@link openHistory}. */
  constructor(recording: Recording, options: ReplayOptions = {}) {
    checkArguments('new History', [recording, RECORDING]);
    this.recording = recording;
    this.#replayer = new Replayer(recording, options);
  }

  /** The machine as it is at {@link position}. Look at it; a change would make another run of it. */
  get machine(): Machine {
    return this.#replayer.machine;
  }

  /** Its replay, with the vCPU. */
  get replayer(): Replayer {
    return this.#replayer;
  }

  /** Where it stands. */
  get position(): Position {
    return this.#replayer.position;
  }

  /** The last position. */
  get end(): Position {
    return { exits: this.recording.exits, steps: 0 };
  }

  /**
   * Goes to a position, or to the first after it that there is. Returns where it is. Throws UsageError for one behind the end,
   * or with steps where this host cannot step.
   */
  seek(position: Position): Position {
    checkPosition(position);
    if (position.exits > this.recording.exits)
      throw new UsageError(
        `the recording ends after ${this.recording.exits} exits: there is no position ${position.exits}`,
      );
    return seek(this.#replayer, position);
  }

  /** Runs one step, or the rest of the instruction that makes an exit. False at the end. */
  step(): boolean {
    return this.#replayer.step();
  }

  /** Goes back by one step. False at the beginning. */
  stepBack(): boolean {
    return stepBack(this.#replayer);
  }

  /** The last change of a piece of memory before this position; undefined where it is as at the beginning. */
  lastWrite(...ranges: readonly MemoryRange[]): MemoryWrite | undefined {
    const [last] = this.#writes(ranges, 1);
    return last;
  }

  /** All its changes before this position, newest first. */
  writes(...ranges: readonly MemoryRange[]): MemoryWrite[] {
    return this.#writes(ranges, Number.POSITIVE_INFINITY);
  }

  #writes(ranges: readonly MemoryRange[], most: number): MemoryWrite[] {
    for (const { gpa, length } of ranges)
      if (!this.machine.memory.find(gpa, length))
        throw new UsageError(`${length} bytes at 0x${gpa.toString(16)} are no RAM of this machine`);
    const here = this.position;
    const found: MemoryWrite[] = [];
    try {
      for (const write of writesBefore(this.#replayer, ranges, here)) {
        found.push(write);
        if (found.length >= most) break;
      }
    } finally {
      seek(this.#replayer, here);
    }
    return found;
  }

  /** Frees the machine. The store stays open. */
  [Symbol.dispose](): void {
    this.#replayer[Symbol.dispose]();
  }
}
