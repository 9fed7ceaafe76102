/**
 * A byte queue in shared memory from the vCPU threads to the one thread that prints. Several writers take turns by a
 * lock of the ring's own; a full queue makes them wait, so that output is never lost and never piles up.
 */
import { StateLock } from '../../devices/lock.ts';
import type { TextWatch } from '../text-watch.ts';

const HEAD = 0; // bytes ever read
const TAIL = 1; // bytes ever written
const LOCK_BYTES = 8;
const ASLEEP = 3; // 1 while the reader waits to be woken
const DATA_BYTES = 64;
const CAPACITY = 65_536; // a power of two, so that positions may wrap at 2^32

/** Shared memory for a ring. */
export const createRing = (): SharedArrayBuffer => new SharedArrayBuffer(DATA_BYTES + CAPACITY);

/** One end of the queue; each thread makes its own over the same memory. */
export class OutputRing {
  readonly #positions: Int32Array;
  readonly #data: Uint8Array;
  readonly #writers: StateLock | undefined;
  readonly #watch: TextWatch | undefined;

  /** `onlyWriter`: no other end of the queue writes, so this one takes no turns. `watch` sees what this end writes. */
  constructor(
    buffer: SharedArrayBuffer,
    { onlyWriter = false, watch }: { onlyWriter?: boolean; watch?: TextWatch } = {},
  ) {
    this.#watch = watch;
    this.#positions = new Int32Array(buffer, 0, 4);
    this.#writers = onlyWriter ? undefined : new StateLock(buffer, LOCK_BYTES);
    this.#data = new Uint8Array(buffer, DATA_BYTES);
  }

  /**
   * Appends the first `length` bytes, waiting for the reader while there is no room. Never call it in the reader's thread.
   *
   * Guests print single bytes, an exit for each, and every call into the engine counts: so the copy goes byte by byte,
   * and positions are read without Atomics where that is enough. Only writers move TAIL, and an old HEAD errs on the safe
   * side.
   */
  write(bytes: Uint8Array, length = bytes.length): void {
    const positions = this.#positions;
    this.#writers?.acquire();
    try {
      for (let done = 0; done < length; ) {
        const head = positions[HEAD]!;
        const tail = positions[TAIL]!;
        const span = Math.min(CAPACITY - ((tail - head) >>> 0), length - done);
        if (span === 0) {
          Atomics.wait(positions, HEAD, head);
          continue;
        }
        for (let i = 0; i < span; i++) this.#data[(tail + i) & (CAPACITY - 1)] = bytes[done + i]!;
        Atomics.store(positions, TAIL, tail + span);
        if (Atomics.load(positions, ASLEEP) === 1) Atomics.notify(positions, TAIL);
        done += span;
      }
      if (this.#watch) this.#show(length);
    } finally {
      this.#writers?.release();
    }
  }

  /** What was taken lies in the ring still, until it is written over: so a text is found that several writers sent. */
  #show(length: number): void {
    const end = this.#positions[TAIL]! >>> 0;
    this.#watch?.sent({ at: (position) => this.#data[position & (CAPACITY - 1)]! }, end - length, end);
  }

  /** Takes everything there is, as a copy; undefined when the queue is empty. */
  take(): Uint8Array | undefined {
    const head = Atomics.load(this.#positions, HEAD);
    const used = (Atomics.load(this.#positions, TAIL) - head) >>> 0;
    if (used === 0) return undefined;
    const at = (head >>> 0) % CAPACITY;
    const span = Math.min(used, CAPACITY - at);
    const copy = this.#data.slice(at, at + span);
    Atomics.add(this.#positions, HEAD, span);
    Atomics.notify(this.#positions, HEAD);
    return copy;
  }

  /** Makes a pending {@link readable} resolve although nothing came. */
  wakeReader(): void {
    Atomics.notify(this.#positions, TAIL);
  }

  /** Resolves when there is something to take, or after `ms` milliseconds. */
  async readable(ms: number): Promise<void> {
    Atomics.store(this.#positions, ASLEEP, 1);
    const tail = Atomics.load(this.#positions, TAIL);
    if (tail === Atomics.load(this.#positions, HEAD)) {
      const wait = Atomics.waitAsync(this.#positions, TAIL, tail, ms);
      if (wait.async) await wait.value;
    }
    Atomics.store(this.#positions, ASLEEP, 0);
  }
}
