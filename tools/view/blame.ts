/**
 * Who wrote what a moment of a recording changed: found by running the interval before it again, and stepping where its pages
 * were written. That can take long (each step of the guest is compared), so there is a bound for all moments together.
 */
import { lastWrites } from '../../debug/blame/last-writes.ts';
import { writerText } from '../../debug/blame/write-text.ts';
import { writesIn } from '../../debug/blame/writes.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { NamedRange, Symbols } from './names.ts';
import { printable } from './parts/format.ts';
import type { Replays } from './replays.ts';
import { TimeLimit } from './time-limit.ts';
import type { Writer } from './timeline-types.ts';

/** The writers, or why they are not known. */
export type Blamed = { readonly writers: readonly Writer[] } | { readonly unblamed: string };

/** So much of a range is looked at: all of it is compared after each step. */
const LOOKED_AT_BYTES = 64;

/** See the file's header. */
export class Blamer {
  readonly #replays: Replays;
  readonly #limit: TimeLimit;

  /** `limitMs`: for all moments together. */
  constructor(replays: Replays, limitMs: number) {
    this.#replays = replays;
    this.#limit = new TimeLimit(limitMs);
  }

  /** Of what changed between a recorded checkpoint and the one before it. */
  blame(digest: Digest, ranges: readonly NamedRange[], symbols: Symbols): Blamed {
    if (this.#replays.problem !== undefined) return { unblamed: this.#replays.problem };
    try {
      return this.#limit.during(() => this.#look(digest, ranges, symbols));
    } catch (error) {
      return { unblamed: this.#replays.failed(error) };
    }
  }

  #look(digest: Digest, ranges: readonly NamedRange[], symbols: Symbols): Blamed {
    const { isOver, seconds } = this.#limit;
    const late = { unblamed: `to find the writers would have taken more than the ${seconds} s of --blame` };
    if (isOver()) return late;
    const [{ machine, replayer }, point] = this.#replays.at(digest);
    const pieces = ranges
      .filter(({ gpa, length }) => machine.memory.find(gpa, length))
      .map((range) => ({ ...range, length: Math.min(range.length, LOOKED_AT_BYTES) }));
    const writes = point > 0 && pieces.length > 0 ? writesIn(replayer, point, pieces, isOver) : [];
    if (!writes) return late;
    const found = lastWrites(writes.toReversed(), pieces);
    const writers = [...found].map(
      ([{ name, gpa, length }, write]): Writer => [name, gpa, length, printable(writerText(write, symbols))],
    );
    return { writers };
  }
}
