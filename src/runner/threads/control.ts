/**
 * What the owner of a machine and its vCPU threads tell each other without messages: one row of shared words for each
 * vCPU. A request is a bit the owner sets; a state is a number the thread sets. Both sides wait on the words.
 */
import { availableParallelism } from 'node:os';

export const Request = {
  PAUSE: 1,
  CALL: 2,
  EXIT: 4,
  SAVE: 8,
  LOAD: 16,
  /** Set by the thread when its loop has ended: resume() does not run it on, only the next run() does. */
  ENDED: 32,
} as const;
export const State = { STARTING: 0, RUNNING: 1, PAUSED: 2, GONE: 3 } as const;

const WORDS = 8;
const REQUESTS = 0;
const STATE = 1;
const THREAD = 2;
const FAILED = 3;
const PROGRESS = 4;
const HALTED = 5;
const CHANGES = 6;
const PENDING = 7;

/** For how long to watch for what is about to happen before sleeping: waking a thread takes as long as a whole pause. */
const WATCH_MS = 0.25;
/** Looks between two of those at the clock. */
const LOOKS = 20;

/** Shared memory for `cpus` rows, every vCPU asked to pause before it first runs. */
export function createControl(cpus: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(cpus * WORDS * 4);
  const words = new Int32Array(buffer);
  for (let id = 0; id < cpus; id++) words[id * WORDS + REQUESTS] = Request.PAUSE;
  return buffer;
}

/** One vCPU's row; each thread makes its own object. */
export class Control {
  readonly #words: Int32Array;
  /** Nobody watches where the other side may need this very processor. */
  readonly #watchMs: number;

  constructor(buffer: SharedArrayBuffer, vcpu: number) {
    this.#words = new Int32Array(buffer, vcpu * WORDS * 4, WORDS);
    this.#watchMs = buffer.byteLength / (WORDS * 4) < availableParallelism() ? WATCH_MS : 0;
  }

  /** Bits of {@link Request} that are set. */
  get requests(): number {
    return Atomics.load(this.#words, REQUESTS);
  }

  get state(): number {
    return Atomics.load(this.#words, STATE);
  }

  /** Linux thread id of the vCPU thread; 0 until it has started. */
  get threadId(): number {
    return Atomics.load(this.#words, THREAD);
  }

  set threadId(tid: number) {
    Atomics.store(this.#words, THREAD, tid);
  }

  /** Sets request bits and wakes the thread if it waits. One inside KVM_RUN has to be kicked as well. */
  request(bits: number): void {
    Atomics.or(this.#words, REQUESTS, bits);
    this.#changed();
  }

  /** Withdraws request bits and wakes whichever side waits. */
  withdraw(bits: number): void {
    Atomics.and(this.#words, REQUESTS, ~bits);
    this.#changed();
    this.#progress();
  }

  #changed(): void {
    Atomics.add(this.#words, CHANGES, 1);
    Atomics.notify(this.#words, CHANGES);
  }

  /** How often requests have changed. Read it before {@link requests}. */
  get changes(): number {
    return Atomics.load(this.#words, CHANGES);
  }

  /** Announces a state. */
  announce(state: number): void {
    Atomics.store(this.#words, STATE, state);
    this.#progress();
  }

  /** Owner side: says that a paused thread runs from now on. One that is gone stays gone. */
  leavePause(): void {
    Atomics.compareExchange(this.#words, STATE, State.PAUSED, State.RUNNING);
    this.#progress();
  }

  #progress(): void {
    Atomics.add(this.#words, PROGRESS, 1);
    Atomics.notify(this.#words, PROGRESS);
  }

  /** Thread side: as {@link waitForChange}, awake at first, for a change that is expected at once. */
  watchForChange(seen: number): void {
    if (!this.#watch(() => Atomics.load(this.#words, CHANGES) !== seen)) this.waitForChange(seen);
  }

  #watch(done: () => boolean): boolean {
    if (this.#watchMs === 0) return done();
    const end = performance.now() + this.#watchMs;
    do {
      for (let look = 0; look < LOOKS; look++) if (done()) return true;
    } while (performance.now() < end);
    return false;
  }

  /**
   * Thread side: sleeps until there are more {@link changes} than `seen`, at most `ms` milliseconds. The bits alone would
   * not do: withdrawn and set again in between, they look as if nothing had happened.
   */
  waitForChange(seen: number, ms = Number.POSITIVE_INFINITY): void {
    Atomics.wait(this.#words, CHANGES, seen, ms);
  }

  /** Whether the vCPU was halted for good when its thread last looked. */
  get halted(): boolean {
    return Atomics.load(this.#words, HALTED) !== 0;
  }

  set halted(halted: boolean) {
    Atomics.store(this.#words, HALTED, halted ? 1 : 0);
  }

  /** Whether the last SAVE or LOAD threw; the thread then has told the owner what. */
  get failed(): boolean {
    return Atomics.load(this.#words, FAILED) !== 0;
  }

  set failed(failed: boolean) {
    Atomics.store(this.#words, FAILED, failed ? 1 : 0);
  }

  /** Whether the exit at which a paused thread's loop ended is still to be completed in KVM. */
  get pending(): boolean {
    return Atomics.load(this.#words, PENDING) !== 0;
  }

  set pending(pending: boolean) {
    Atomics.store(this.#words, PENDING, pending ? 1 : 0);
  }

  /** Owner side: blocks until `done`, or until `ms` milliseconds have passed; says whether it is done. */
  waitUntil(done: () => boolean, ms: number): boolean {
    if (this.#watch(done)) return true;
    const end = performance.now() + ms;
    for (;;) {
      const seen = Atomics.load(this.#words, PROGRESS);
      if (done()) return true;
      const left = end - performance.now();
      if (left <= 0) return false;
      Atomics.wait(this.#words, PROGRESS, seen, left);
    }
  }
}
