/**
 * The words that a machine's owner, its vCPU threads and the thread that works on the queues of devices share.
 *
 *   one word: what the owner wants (REST, WORK, EXIT) and where the thread is (RESTING, WORKING, GONE)
 *   a counter: raised with each reason to look at the queues; the thread sleeps on it
 *   a word for each slot: not 0 while a request of that device is being served
 *
 * The thread becomes WORKING only in a step that finds WORK wanted. So once REST is wanted and the thread is seen RESTING, it
 * touches neither memory nor devices nor interrupts until WORK is wanted again. Without work it rests by itself, so that a
 * pause need not wake it.
 */

import { VIRTIO_SLOTS } from '../../devices/virtio/slots.ts';
import type { QueueWorker } from '../../devices/work.ts';

/** What the owner wants. */
export const WANT = { REST: 0, WORK: 1, EXIT: 2 } as const;
type Want = (typeof WANT)[keyof typeof WANT];
const WANTED = 3;

const RESTING = 0;
const WORKING = 4;
const GONE = 8;

const WORD = 0;
const REASONS = 1;
const BUSY = 2;
const WORDS = BUSY + VIRTIO_SLOTS.length;

const POLL_MS = 1;

/** Shared memory for these words: nothing wanted, and the thread at rest. */
export const createIoControl = (): SharedArrayBuffer => new SharedArrayBuffer(WORDS * 4);

/** One object over the words, for whichever side. */
export class IoControl implements QueueWorker {
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  /** vCPU threads and owner: there may be work. */
  wake(): void {
    Atomics.add(this.#words, REASONS, 1);
    Atomics.notify(this.#words, REASONS);
  }

  /** vCPU threads: returns when no request of the device in a slot is being served. */
  waitUntilIdle(slot: number): void {
    while (this.isBusy(slot)) Atomics.wait(this.#words, BUSY + slot, 1, POLL_MS);
  }

  /** Whether a request of the device in a slot is being served. */
  isBusy(slot: number): boolean {
    return Atomics.load(this.#words, BUSY + slot) !== 0;
  }

  /** Owner: says what is wanted, and wakes the thread to see it. */
  want(want: Want): void {
    this.#change((word) => (word & ~WANTED) | want);
    this.wake();
  }

  /** Owner: waits at most `ms` milliseconds; returns whether the thread rests, or is gone. */
  waitForRest(ms: number): boolean {
    const word = Atomics.load(this.#words, WORD);
    if ((word & WORKING) === 0) return true;
    Atomics.wait(this.#words, WORD, word, ms);
    return (Atomics.load(this.#words, WORD) & WORKING) === 0;
  }

  /** Owner, when the thread has ended, or the thread at its end: nobody waits for it any more. */
  leave(): void {
    this.#change((word) => (word & WANTED) | GONE);
    for (const { index } of VIRTIO_SLOTS) this.setBusy(index, false);
  }

  /** Thread: the counter, to be read before the queues are looked at. */
  get reasons(): number {
    return Atomics.load(this.#words, REASONS);
  }

  /** Thread: sleeps until the counter is not `seen`. */
  sleep(seen: number): void {
    Atomics.wait(this.#words, REASONS, seen);
  }

  /** Thread: what the owner wants. */
  get wanted(): number {
    return Atomics.load(this.#words, WORD) & WANTED;
  }

  /** Thread: begins to work, if that is wanted. */
  enter(): boolean {
    return Atomics.compareExchange(this.#words, WORD, WANT.WORK | RESTING, WANT.WORK | WORKING) === WANT.WORK;
  }

  /** Thread: rests. */
  rest(): void {
    this.#change((word) => word & ~WORKING);
  }

  /** Thread, or owner when that has ended: a request of a device is being served, or no longer. */
  setBusy(slot: number, busy: boolean): void {
    Atomics.store(this.#words, BUSY + slot, busy ? 1 : 0);
    if (!busy) Atomics.notify(this.#words, BUSY + slot);
  }

  #change(change: (word: number) => number): void {
    for (;;) {
      const word = Atomics.load(this.#words, WORD);
      if (Atomics.compareExchange(this.#words, WORD, word, change(word)) === word) break;
    }
    Atomics.notify(this.#words, WORD);
  }
}
