import { existsSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { errorFromData, HostError, UsageError } from '../../errors.ts';
import type { RunCounts, RunEnd } from '../result.ts';
import type { VcpuCallName, VcpuCallTypes } from './calls.ts';
import { CLEAR_END, isPaused, kickIfRunning, RESUME, Request, VcpuMailbox } from './mailbox.ts';
import type { CallMessage, ThreadMessage, ThreadStart } from './protocol.ts';
import { startThread } from './thread-ahead.ts';

/** Reports of a thread. */
interface ThreadEvents {
  ended(end: RunEnd, counts: RunCounts): void;
  failed(error: Error): void;
}

interface PendingCall {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The owner's side of a thread with one vCPU, which begins paused. */
export class VcpuThread {
  readonly id: number;
  readonly mailbox: VcpuMailbox;
  /** The vCPU's state as last saved, or to be loaded. */
  readonly record: Uint8Array;
  readonly #worker: Worker;
  readonly #calls = new Map<number, PendingCall>();
  readonly #exited: Promise<void>;
  /** Resolves when the thread has ended, and why is known. */
  readonly over: Promise<void>;
  #isOverNow = () => {};
  #nextCall = 1;
  #isClosed = false;
  /** States loaded so far. An end that was sent before the last load is dropped. */
  #loads = 0;
  #gone: Error | undefined;

  private constructor(start: ThreadStart, events: ThreadEvents, ready: PendingCall) {
    this.id = start.vcpu;
    this.mailbox = new VcpuMailbox(start.mailboxes, start.vcpu);
    this.record = new Uint8Array(start.state);
    this.over = new Promise((resolve) => {
      this.#isOverNow = resolve;
    });
    this.#worker = startThread(start);
    const handlers: { [Kind in ThreadMessage['kind']]: (message: ThreadMessage & { kind: Kind }) => void } = {
      ready: () => ready.resolve(undefined),
      end: ({ end, loads, counts }) => {
        if (loads === this.#loads) events.ended(end, counts);
      },
      reply: ({ id, value }) => this.#take(id)?.resolve(value),
      refused: ({ id, error }) => this.#take(id)?.reject(errorFromData(error)),
      failed: ({ error }) => fail(errorFromData(error)),
    };
    const fail = (error: Error) => {
      ready.reject(error);
      this.#leave(error);
      events.failed(error);
    };
    this.#worker.on('message', (message: ThreadMessage) => handlers[message.kind](message as never));
    this.#worker.on('error', fail);
    this.#exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve())).then(() => {
      this.mailbox.leave();
      if (this.#isClosed) this.#leave(new UsageError(`the thread of vCPU ${this.id} is gone: its machine was closed`));
      else if (!this.#gone) fail(this.goneError());
    });
  }

  /** Rejects all calls: no answer will come any more. */
  #leave(error: Error): void {
    this.#gone ??= error;
    for (const call of this.#calls.values()) call.reject(this.#gone);
    this.#calls.clear();
    this.#isOverNow();
  }

  /** Starts the thread and creates its vCPU there. Rejects with the error of creating it. */
  static async start(start: ThreadStart, events: ThreadEvents): Promise<VcpuThread> {
    let thread: VcpuThread | undefined;
    await new Promise((resolve, reject) => {
      thread = new VcpuThread(start, events, { resolve, reject });
    });
    return thread!;
  }

  #take(id: number): PendingCall | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }

  /** Sets request bits. If the thread was running, kicks it. */
  ask(bits: number): void {
    if (this.mailbox.ask(bits)) kickIfRunning(this.mailbox);
  }

  /** Kicks the thread if it is running. */
  kick(): void {
    kickIfRunning(this.mailbox);
  }

  /** The thread was closed, or its error is known. */
  get isOver(): boolean {
    return this.#isClosed || this.#gone !== undefined;
  }

  get isPaused(): boolean {
    return isPaused(this.mailbox.look());
  }

  /** Lets a paused thread run its vCPU, unless its loop has ended. */
  resume(): void {
    this.mailbox.withdraw(RESUME);
  }

  /** States loaded so far. */
  get loads(): number {
    return this.#loads;
  }

  /** Call it after a LOAD. */
  loaded(): void {
    this.#loads++;
    this.clearEnd();
  }

  /** Clears the end of the vCPU's loop, so that {@link resume} lets it run on. */
  clearEnd(): void {
    this.mailbox.withdraw(CLEAR_END);
  }

  /** Checks that the thread still exists: one that was terminated, or ran out of memory, sends no message. */
  noticeDeath(): void {
    const { threadId } = this.mailbox;
    if (threadId !== 0 && !existsSync(`/proc/self/task/${threadId}`)) this.mailbox.leave();
  }

  /** The error for requests to a thread that has ended. */
  goneError(): Error {
    const why = `the thread of vCPU ${this.id} has ended: it failed, was terminated or ran out of memory`;
    return this.#gone ?? new HostError('VCPU_GONE', `${why}; close the machine and start another`, { vcpu: this.id });
  }

  /**
   * Calls a function of {@link VcpuCallTypes} in the thread; the guest stops meanwhile. Rejects with the error that it
   * threw, or that of the thread if it has ended.
   */
  call<Name extends VcpuCallName>(
    name: Name,
    args: VcpuCallTypes[Name]['args'],
  ): Promise<VcpuCallTypes[Name]['result']> {
    if (this.#gone) return Promise.reject(this.#gone);
    const id = this.#nextCall++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as PendingCall['resolve'], reject });
      this.#worker.postMessage({ id, name, args } satisfies CallMessage);
      this.ask(Request.CALL);
    });
  }

  /** Ends the thread and its vCPU. Resolves when both are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.ask(Request.EXIT);
    await this.#exited;
  }
}
