/** What is left of a run's time. */

/** setTimeout() takes a longer time for 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Counts down while the guest may run, and calls `expired` at the end. */
export class RunClock {
  /** Milliseconds left when the clock was last stopped; undefined: no limit. */
  leftMs: number | undefined;
  readonly #expired: () => void;
  #timer: NodeJS.Timeout | undefined;
  #since = 0;

  constructor(expired: () => void) {
    this.#expired = expired;
  }

  /** Starts to count, if there is a limit. */
  start(): void {
    if (this.leftMs === undefined || this.#timer) return;
    this.#since = performance.now();
    if (this.leftMs > LONGEST_TIMER_MS) this.#timer = setTimeout(() => this.#again(), LONGEST_TIMER_MS);
    else this.#timer = setTimeout(this.#expired, Math.max(1, this.leftMs));
  }

  #again(): void {
    this.stop();
    this.start();
  }

  /** Stops counting. */
  stop(): void {
    if (this.leftMs === undefined || !this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.leftMs -= performance.now() - this.#since;
  }
}
