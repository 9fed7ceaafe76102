/** Ends a transfer that makes no progress: in each span of time some bytes must travel, or the request must end. */

/** The least that must travel while patience lasts. */
const LEAST_BYTES = 65536;
/** How long by default. A registry may need a while to store a large blob before it answers. */
export const PATIENCE_MS = 120_000;
/** Node's fetch itself waits no longer than this, for the head of an answer or for more of it. */
export const MAX_PATIENCE_MS = 300_000;

/** The time limit of one request. Dispose it when the request has ended. */
export class Patience implements Disposable {
  /** Aborted when nothing moves, or when the user stops the transfer. */
  readonly signal: AbortSignal;
  readonly #stalled = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;

  constructor(ms: number, stop: AbortSignal | undefined) {
    this.signal = stop ? AbortSignal.any([stop, this.#stalled.signal]) : this.#stalled.signal;
    this.#timer = setTimeout(() => this.#stalled.abort(), ms);
  }

  /** True where this is what ended the request. */
  get lost(): boolean {
    return this.#stalled.signal.aborted;
  }

  /** Bytes came or went. */
  moved(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= LEAST_BYTES) this.renew();
  }

  /** A step is done, as when the head of an answer has come. */
  renew(): void {
    this.#bytes = 0;
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** What was not reached, in words. */
export const patienceText = (ms: number): string => `less than ${LEAST_BYTES >> 10} KiB in ${ms / 1000} s`;
