/** What a replay goes by from one point of a recording to the next. */
import { decodeState } from '../../snapshot/machine-state.ts';
import { sregsOf } from '../../snapshot/page-tables.ts';
import { bytesOf } from '../../src/abi/struct.ts';
import { LogReader } from '../recording/log.ts';
import type { InterruptionRegisters } from '../recording/segment.ts';
import type { Recording } from './recording.ts';
import type { StepRegisters } from './step-registers.ts';

const EMPTY = new Uint8Array(0);

/** Where the guest was interrupted in the middle of a computation. */
export interface Place {
  readonly registers: InterruptionRegisters;
  readonly sregs: StepRegisters['sregs'];
}

/** See the file's header. */
export class Interval {
  /** Exits at its beginning. */
  readonly from: number;
  /** Exits at its end; undefined behind the last point. */
  readonly to: number | undefined;
  /** Exits at the last one that the guest makes in it. */
  readonly lastExit: number;
  /** Milliseconds of the recording at its beginning; 0 behind the last point. */
  readonly ms: number;
  readonly #recording: Recording;
  readonly #point: number;
  readonly #wanted: Uint8Array | undefined;

  /** From this point on. Throws CheckpointError. */
  constructor(recording: Recording, point: number) {
    this.#recording = recording;
    this.#point = point;
    this.from = recording.points[point]!.exits;
    this.to = recording.points[point + 1]?.exits;
    const { interruption, ms = 0 } = this.to === undefined ? {} : recording.segment(point + 1);
    this.ms = ms;
    this.lastExit = (this.to ?? recording.exits) - (interruption ? 1 : 0);
    this.#wanted = interruption && bytesOf(interruption);
  }

  /** Its log, from the beginning. */
  log(): LogReader {
    const { points } = this.#recording;
    const log = this.to === undefined ? EMPTY : this.#recording.segment(this.#point + 1).log;
    return new LogReader(log, points[this.#point]!.digest.slice(0, 19));
  }

  /** After so many exits, what comes next is an interruption, not an exit. */
  leadsToInterruption(exits: number): boolean {
    return this.#wanted !== undefined && exits === this.lastExit;
  }

  /** Whether the registers are those at the interruption. */
  isLikePlace({ regs }: Pick<StepRegisters, 'regs'>): boolean {
    return this.#wanted !== undefined && Buffer.compare(bytesOf(regs), this.#wanted) === 0;
  }

  /** The interruption at its end. */
  place(): Place {
    using checkpoint = this.#recording.open(this.#point + 1);
    const sregs = sregsOf(decodeState(checkpoint.config).vcpus[0]!)!;
    return { registers: this.#recording.segment(this.#point + 1).interruption!, sregs };
  }
}
