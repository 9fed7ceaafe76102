/**
 * Memory that still arrives: a thread supplies its pages, and marks here how far it is. Whoever wants to touch a page waits for
 * it in the kernel (madvise(2), MADV_POPULATE_READ), which answers with an error, and not with a signal, where it cannot come.
 */
import { type CheckpointError, type ErrorData, errorFromData, errorToData, GuestMemoryError } from '../errors.ts';
import { errno, madvise } from '../ffi/libc.ts';
import { Mapping } from '../ffi/mapping.ts';

const MADV_POPULATE_READ = 22;
const PAGE = 4096n;
/** More than this is not asked for page by page. */
const MANY_BYTES = 2 ** 20;

const Word = { STATE: 0, HURRY: 1, BUSY: 2, REFUSED: 3 } as const;
const WORD_BYTES = 16;
/** Room for an error, and for another: what is wrong with the whole, and with the page that was asked for. */
const ERROR_BYTES = 4096;
const MOST_CHARACTERS = 600;
const BUFFER_BYTES = WORD_BYTES + 2 * ERROR_BYTES;

/** How far it is. DAMAGED: some of it will never come. GONE: the memory is no more. */
export const ArrivalState = { PREPARED: 0, FILLING: 1, WHOLE: 2, DAMAGED: 3, GONE: 4 } as const;

/** See the file's header. Each thread has one over the same buffer. */
export class Arrival {
  readonly buffer: SharedArrayBuffer;
  /** The owner's: called once, when nothing more is done with the memory. */
  onLeave: (() => void) | undefined;
  readonly #words: Int32Array;

  constructor(buffer = new SharedArrayBuffer(BUFFER_BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, WORD_BYTES / 4);
  }

  /** One of {@link ArrivalState}. It only goes up. */
  get state(): number {
    return Atomics.load(this.#words, Word.STATE);
  }

  /** Goes on to a state, unless it is further already. */
  advance(state: number): void {
    for (let old = this.state; old < state; old = this.state)
      if (Atomics.compareExchange(this.#words, Word.STATE, old, state) === old) break;
    Atomics.notify(this.#words, Word.STATE);
  }

  /** Waits while the state is `state`, at most `ms` milliseconds. */
  wait(state: number, ms = Number.POSITIVE_INFINITY): void {
    Atomics.wait(this.#words, Word.STATE, state, ms);
  }

  /** Somebody waits for all of it. */
  get isUrgent(): boolean {
    return Atomics.load(this.#words, Word.HURRY) !== 0;
  }

  /** Whether this kernel can be asked for pages as {@link need} does: from Linux 5.14 on. Tried elsewhere: the page would be there. */
  static isPossible(): boolean {
    using elsewhere = Mapping.anonymous(Number(PAGE));
    return madvise(elsewhere.address, elsewhere.length, MADV_POPULATE_READ) === 0;
  }

  /** Waits for the pages at a host address. Throws CheckpointError for one that cannot come. */
  need(address: bigint, length: number): void {
    if (length === 0 || this.state === ArrivalState.WHOLE) return;
    if (length > MANY_BYTES) {
      this.needAll();
      return;
    }
    const start = address & ~(PAGE - 1n);
    const bytes = Number(((address + BigInt(length) + PAGE - 1n) & ~(PAGE - 1n)) - start);
    if (madvise(start, bytes, MADV_POPULATE_READ) === 0) return;
    const code = errno();
    this.refusal();
    throw new GuestMemoryError('ARRIVAL', `pages of guest memory did not come: errno ${code}`, { errno: code });
  }

  /** Waits until nothing more comes, at most `ms` milliseconds. */
  hurry(ms = Number.POSITIVE_INFINITY): void {
    const end = performance.now() + ms;
    Atomics.store(this.#words, Word.HURRY, 1);
    for (let left = ms; left > 0 && this.state <= ArrivalState.FILLING; left = end - performance.now())
      this.wait(this.state, left);
  }

  /** Waits for all of it. Throws CheckpointError if that cannot come. */
  needAll(): void {
    this.hurry();
    if (this.state !== ArrivalState.DAMAGED) return;
    this.refusal();
    throw this.#error(0);
  }

  /** Throws CheckpointError if somebody was refused a page: then the guest must not go on. */
  refusal(): undefined {
    if (Atomics.load(this.#words, Word.REFUSED) !== 0) throw this.#error(1);
  }

  /** Some of it cannot come. */
  damaged(error: unknown): void {
    if (this.state === ArrivalState.DAMAGED) return;
    this.#keep(0, error);
    this.advance(ArrivalState.DAMAGED);
  }

  /** A page cannot come that somebody waits for. Call it before he is woken. */
  refuse(error: unknown): void {
    this.damaged(error);
    if (Atomics.load(this.#words, Word.REFUSED) !== 0) return;
    this.#keep(1, error);
    Atomics.store(this.#words, Word.REFUSED, 1);
  }

  /** Does something with the memory; false, and nothing was done, if that is gone. */
  with(action: () => void): boolean {
    Atomics.store(this.#words, Word.BUSY, 1);
    try {
      if (this.state === ArrivalState.GONE) return false;
      action();
      return true;
    } finally {
      Atomics.store(this.#words, Word.BUSY, 0);
      Atomics.notify(this.#words, Word.BUSY);
    }
  }

  /** The owner's, before it unmaps the memory: returns when nothing more is done with it. */
  leave(): void {
    this.advance(ArrivalState.GONE);
    while (Atomics.load(this.#words, Word.BUSY) !== 0) Atomics.wait(this.#words, Word.BUSY, 1);
    this.onLeave?.();
    this.onLeave = undefined;
  }

  #keep(slot: number, error: unknown): void {
    const { stack: _, message, ...data } = errorToData(error);
    const text = JSON.stringify({ ...data, message: message.slice(0, MOST_CHARACTERS), details: {} });
    this.#bytes(slot).set(Buffer.from(text));
  }

  #error(slot: number): CheckpointError {
    const text = Buffer.from(this.#bytes(slot)).toString().replace(/\0+$/, '');
    return errorFromData(JSON.parse(text) as ErrorData) as CheckpointError;
  }

  #bytes(slot: number): Uint8Array {
    return new Uint8Array(this.buffer, WORD_BYTES + slot * ERROR_BYTES, ERROR_BYTES);
  }
}

/** Runs a guest, if no page of its memory was refused before; what a refused page has led to does not count. Throws CheckpointError. */
export function whileIntact<T>(arrival: Arrival | undefined, run: () => T): T {
  if (!arrival) return run();
  arrival.refusal();
  try {
    return run();
  } finally {
    arrival.refusal();
  }
}
