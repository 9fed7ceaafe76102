/**
 * The state of one vCPU thread and what its owner requests of it, in one shared word: each change is one atomic step, and
 * each side decides by a single look.
 *
 * The thread's state, with what the thread checks in the same step:
 *
 *                        enter(): no request is set
 *              ┌──────────────────────────────────────────┐
 *   STARTING ─▶ PAUSED                                     ▼
 *              ▲ rest(), ioCompleted()                  RUNNING ── guest code may run only here
 *              └──────────────────────────────────────────┘
 *                        pauseIfAsked(): PAUSE or EXIT is set (KVM_RUN came back by a signal: nothing is pending)
 *                        ended(): sets ENDED; the thread rests next
 *   any state ── leave() ──▶ GONE
 *
 * The owner only sets and withdraws requests. A thread is known to be paused when PAUSE (or ENDED) is set and its state is
 * PAUSED, in one look: enter() fails for as long as a request is set, so guest code cannot run before the owner withdraws
 * these.
 *
 * The owner kicks the thread if it was RUNNING at the step that set the request. If it was not, enter() fails.
 *
 * Both sides sleep on the word with the value that they decided by. The same value later gives the same decision, so a
 * change that was undone meanwhile is not missed.
 */
import { availableParallelism } from 'node:os';
import { kickThread } from '../../ffi/signals.ts';

/** What the owner asks of the thread. */
export const Request = {
  PAUSE: 1,
  CALL: 2,
  EXIT: 4,
  SAVE: 8,
  LOAD: 16,
  /** Set by the thread when its loop has ended: only the next run() withdraws it, resume() does not. */
  ENDED: 32,
} as const;

const REQUESTS = 63;
/** The exit that the thread's loop ended with is still to be completed in KVM. */
const PENDING = 64;
/** The last SAVE or LOAD threw; the record holds the error. */
const FAILED = 128;

/** Where the thread is. STARTING must be 0. */
export const State = { STARTING: 0, RUNNING: 0x100, PAUSED: 0x200, GONE: 0x300 } as const;
const STATE = 0x300;

const EXCHANGE = Request.SAVE | Request.LOAD;
const withState = (word: number, state: number) => (word & ~STATE) | state;

/** No guest code runs, and none will before the owner withdraws PAUSE and ENDED. Of a thread that is gone none runs either. */
export const isPaused = (word: number): boolean =>
  ((word & (Request.PAUSE | Request.ENDED)) !== 0 && (word & STATE) === State.PAUSED) || isGone(word);

/** Paused, and no exit is still to be completed: memory and devices stand still, too. */
export const isAtRest = (word: number): boolean => isPaused(word) && !isPending(word);

/** No save or load is under way. */
export const hasExchanged = (word: number): boolean => (word & EXCHANGE) === 0;

export const isPending = (word: number): boolean => (word & PENDING) !== 0;
export const hasFailed = (word: number): boolean => (word & FAILED) !== 0;
export const isRunning = (word: number): boolean => (word & STATE) === State.RUNNING;
export const isGone = (word: number): boolean => (word & STATE) === State.GONE;

/** What the owner demands: the requests it sets, kicking a thread that runs, and what it then waits for. */
export interface Demand {
  readonly ask: number;
  readonly until: (word: number) => boolean;
}

const { PAUSE, SAVE, LOAD } = Request;

export const DEMANDS = {
  /** No guest code runs. */
  pause: { ask: PAUSE, until: isPaused },
  /** No guest code runs and nothing is pending. The save goes on, or has failed. */
  beginSave: { ask: PAUSE | SAVE, until: (word) => isAtRest(word) || hasExchanged(word) },
  save: { ask: PAUSE | SAVE, until: hasExchanged },
  load: { ask: PAUSE | LOAD, until: hasExchanged },
  /** For a save that was begun. */
  finishSave: { ask: 0, until: hasExchanged },
} as const satisfies Record<string, Demand>;

/** Whether the thread has done what was demanded, or is gone. */
export const isOver = ({ until }: Demand, word: number): boolean => until(word) || isGone(word);

/** Requests that resume() withdraws, and those that a new run() withdraws first. */
export const RESUME = Request.PAUSE;
export const CLEAR_END = Request.ENDED;

const WORDS = 4;
const WORD = 0;
const THREAD = 1;
const HALTED = 2;

/** Time to spin before sleeping: to wake a thread takes as long as a whole pause. */
const SPIN_MS = 0.25;

/** Shared memory for `cpus` mailboxes. Each vCPU is asked to pause before it first runs. */
export function createMailboxes(cpus: number): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(cpus * WORDS * 4);
  const words = new Int32Array(buffer);
  for (let id = 0; id < cpus; id++) words[id * WORDS + WORD] = Request.PAUSE;
  return buffer;
}

/** One vCPU's mailbox. Each thread creates its own object over the same words. */
export class VcpuMailbox {
  readonly #words: Int32Array;
  /** Time to spin before sleeping, in milliseconds; 0 if there are not more processors than vCPUs. */
  readonly #spinMs: number;

  constructor(buffer: SharedArrayBuffer, vcpu: number) {
    this.#words = new Int32Array(buffer, vcpu * WORDS * 4, WORDS);
    this.#spinMs = buffer.byteLength / (WORDS * 4) < availableParallelism() ? SPIN_MS : 0;
  }

  /** The current word. */
  look(): number {
    return Atomics.load(this.#words, WORD);
  }

  /** Changes the word in one atomic step and wakes its sleepers. Returns the word before. */
  #update(change: (word: number) => number): number {
    for (;;) {
      const word = this.look();
      const next = change(word);
      if (next === word) return word;
      if (Atomics.compareExchange(this.#words, WORD, word, next) !== word) continue;
      Atomics.notify(this.#words, WORD);
      return word;
    }
  }

  /** Owner: sets request bits. True: the thread was RUNNING and has to be kicked. */
  ask(bits: number): boolean {
    return isRunning(this.#update((word) => word | bits));
  }

  /** Owner: withdraws request bits. */
  withdraw(bits: number): void {
    this.#update((word) => word & ~bits);
  }

  /** Owner: sleeps until `done`, at most `ms` milliseconds. Returns whether it is done. */
  waitUntil(done: (word: number) => boolean, ms: number): boolean {
    if (this.#spin(done)) return true;
    const end = performance.now() + ms;
    for (;;) {
      const word = this.look();
      if (done(word)) return true;
      const left = end - performance.now();
      if (left <= 0) return false;
      Atomics.wait(this.#words, WORD, word, left);
    }
  }

  #spin(done: (word: number) => boolean): boolean {
    if (this.#spinMs === 0) return done(this.look());
    const end = performance.now() + this.#spinMs;
    do if (done(this.look())) return true;
    while (performance.now() < end);
    return false;
  }

  /** Thread: RUNNING from now on, unless a request is set. Returns whether it is. */
  enter(): boolean {
    return (this.#update((word) => ((word & REQUESTS) === 0 ? withState(word, State.RUNNING) : word)) & REQUESTS) === 0;
  }

  /** Thread: KVM_RUN came back by a signal. If PAUSE or EXIT is set, PAUSED from now on. Returns whether it is. */
  pauseIfAsked(): boolean {
    const asked = Request.PAUSE | Request.EXIT;
    const word = this.#update((now) => ((now & asked) === 0 ? now : withState(now & ~PENDING, State.PAUSED)));
    return (word & asked) !== 0;
  }

  /** Thread: the loop has ended; `pending`: with an exit that KVM_RUN has to complete. */
  ended(pending: boolean): void {
    this.#update((word) => word | Request.ENDED | (pending ? PENDING : 0));
  }

  /** Thread: PAUSED. */
  rest(): void {
    this.#update((word) => withState(word, State.PAUSED));
  }

  /** Thread: PAUSED, and what was pending has been completed. */
  ioCompleted(): void {
    this.#update((word) => withState(word & ~PENDING, State.PAUSED));
  }

  /** Thread: the save or load is over. */
  exchanged(failed: boolean): void {
    this.#update((word) => (word & ~(EXCHANGE | FAILED)) | (failed ? FAILED : 0));
  }

  /** Thread: takes CALL. Returns whether it was set. */
  takeCall(): boolean {
    return (this.#update((word) => word & ~Request.CALL) & Request.CALL) !== 0;
  }

  /** Thread: GONE. Set by the owner for a thread that was terminated. */
  leave(): void {
    this.#update((word) => withState(word, State.GONE));
  }

  /** Thread: sleeps until the word differs from `seen`, at most `ms` milliseconds. Spins first if `soon`. */
  sleep(seen: number, { ms = Number.POSITIVE_INFINITY, soon = false } = {}): void {
    if (soon && this.#spin((word) => word !== seen)) return;
    Atomics.wait(this.#words, WORD, seen, ms);
  }

  /** Linux thread id of the vCPU thread; 0 until it has started. */
  get threadId(): number {
    return Atomics.load(this.#words, THREAD);
  }

  set threadId(tid: number) {
    Atomics.store(this.#words, THREAD, tid);
  }

  /** Whether the vCPU was halted for good when its thread last looked. */
  get halted(): boolean {
    return Atomics.load(this.#words, HALTED) !== 0;
  }

  set halted(halted: boolean) {
    Atomics.store(this.#words, HALTED, halted ? 1 : 0);
  }
}

/** Interrupts KVM_RUN of a RUNNING thread. Of one that is gone, the id may belong to another thread by now. */
export function kickIfRunning(mailbox: VcpuMailbox): void {
  if (isRunning(mailbox.look()) && !kickThread(mailbox.threadId)) mailbox.leave();
}
