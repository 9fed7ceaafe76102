/** A bound in time for something that is done in parts. */
export class TimeLimit {
  /** The whole of it. */
  readonly seconds: number;
  #leftMs: number;
  #began: number | undefined;

  constructor(ms: number) {
    this.#leftMs = ms;
    this.seconds = ms / 1000;
  }

  /** A part has taken what was left. */
  readonly isOver = (): boolean => performance.now() - (this.#began ?? performance.now()) > this.#leftMs;

  /** Counts the time of a part. */
  during<T>(part: () => T): T {
    this.#began = performance.now();
    try {
      return part();
    } finally {
      this.#leftMs -= performance.now() - this.#began;
      this.#began = undefined;
    }
  }
}
