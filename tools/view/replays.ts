/** The recordings of a store, run again while a page is made: one machine at a time. */
import { type History, openHistory } from '../../debug/history.ts';
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { VmlapseError } from '../../src/errors.ts';
import { printable } from './parts/format.ts';

/** Dispose of it after use: it holds a machine. */
export class Replays implements Disposable {
  readonly #store: Store;
  /** Of the recording that was looked into last: it has the moments before, too. */
  #history: History | undefined;
  /** Of each moment seen: the one that its recording was opened by, as an earlier one would not lead to what came after. */
  readonly #opened = new Map<Digest, Digest>();
  #problem: string | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Why no recording can be run again on this host, once that has been seen. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * The recording with a checkpoint, up to the moment of it that was asked for first, and which point of it the checkpoint is.
   * Throws what `openHistory` throws.
   */
  at(digest: Digest): [History, number] {
    const find = () => this.#history?.recording.points.findIndex((point) => point.digest === digest) ?? -1;
    if (find() < 0) {
      this.#close();
      const last = this.#opened.get(digest) ?? digest;
      this.#history = openHistory(this.#store, last);
      for (const point of this.#history.recording.points)
        if (!this.#opened.has(point.digest)) this.#opened.set(point.digest, last);
    }
    return [this.#history!, find()];
  }

  /** What an error of a replay says, which is not used any more then. Throws what is no such error. */
  failed(error: unknown): string {
    if (!(error instanceof VmlapseError)) throw error;
    this.#close();
    const text = printable(error.message);
    if (error.name === 'KvmError') this.#problem = text; // it is of this host, so the next would be the same
    return text;
  }

  #close(): void {
    this.#history?.[Symbol.dispose]();
    this.#history = undefined;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}
