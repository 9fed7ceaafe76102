/**
 * A lock in shared memory, for device state that several threads touch. Three values of one word, after Ulrich
 * Drepper's "Futexes Are Tricky": an uncontended pass is two atomic operations and no system call.
 */
import { UsageError } from '../errors.ts';

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

/** Tries before the thread sleeps: a device access lasts microseconds, less than going to sleep does. */
const SPINS = 200;

/** The lock over one 32-bit word of shared memory that starts as zero. Each thread makes its own object over the word. */
export class StateLock {
  readonly #word: Int32Array;
  #mine = false;
  #afterwards: (() => void) | undefined;

  /** `offset` in bytes, a multiple of 4. */
  constructor(buffer: SharedArrayBuffer, offset = 0) {
    this.#word = new Int32Array(buffer, offset, 1);
  }

  /** Takes the lock. Throws UsageError if this thread has it: a device callback has accessed the bus. */
  acquire(): void {
    if (this.#mine) throw new UsageError('a device or output callback used the bus that called it: return first');
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.compareExchange(this.#word, 0, FREE, HELD) === FREE) {
        this.#mine = true;
        return;
      }
    }
    while (Atomics.exchange(this.#word, 0, CONTENDED) !== FREE) Atomics.wait(this.#word, 0, CONTENDED);
    this.#mine = true;
  }

  release(): void {
    this.#mine = false;
    if (Atomics.exchange(this.#word, 0, FREE) === CONTENDED) Atomics.notify(this.#word, 0, 1);
    const call = this.#afterwards;
    if (call === undefined) return;
    this.#afterwards = undefined;
    call();
  }

  /**
   * For the holder: has `call` made once, when the lock is free again. A thread that is woken before would go to sleep at once,
   * as it wants the lock. A second call before that takes the place of the first.
   */
  afterwards(call: () => void): void {
    if (this.#mine) this.#afterwards = call;
    else call();
  }

  /** Runs `fn` while holding the lock. */
  withLock<T>(fn: () => T): T {
    this.acquire();
    try {
      return fn();
    } finally {
      this.release();
    }
  }
}
