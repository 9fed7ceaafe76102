/** The owner's handle on one vCPU thread. */
import { Worker } from 'node:worker_threads';
import { errorFromData, UsageError } from '../../errors.ts';
import { kickThread } from '../../ffi/signals.ts';
import type { RunCounts, RunEnd } from '../result.ts';
import { Control, Request, State } from './control.ts';
import type { CallMessage, ThreadMessage, ThreadStart } from './messages.ts';
import type { VcpuCallName, VcpuCallTypes } from './vcpu-calls.ts';

/** What a thread reports on its own account. */
export interface ThreadEvents {
  ended(end: RunEnd, counts: RunCounts): void;
  failed(error: Error): void;
}

interface PendingCall {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A thread with one vCPU, paused at first. */
export class VcpuThread {
  readonly id: number;
  readonly control: Control;
  /** The vCPU's state as last saved, or to be loaded; laid out by the host's VcpuStateLayout. */
  readonly record: Uint8Array;
  readonly #worker: Worker;
  readonly #calls = new Map<number, PendingCall>();
  readonly #exited: Promise<void>;
  #nextCall = 1;
  #gone: Error | undefined;

  private constructor(start: ThreadStart, events: ThreadEvents, ready: PendingCall) {
    this.id = start.vcpu;
    this.control = new Control(start.control, start.vcpu);
    this.record = new Uint8Array(start.state);
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: start });
    const handlers: { [Kind in ThreadMessage['kind']]: (message: ThreadMessage & { kind: Kind }) => void } = {
      ready: () => ready.resolve(undefined),
      end: ({ end, counts }) => events.ended(end, counts),
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
      this.control.announce(State.GONE);
      this.#leave(new UsageError(`the thread of vCPU ${this.id} is gone: its machine was closed`));
    });
  }

  /** No answer will come any more. */
  #leave(error: Error): void {
    this.#gone ??= error;
    for (const call of this.#calls.values()) call.reject(this.#gone);
    this.#calls.clear();
  }

  /** Starts the thread and creates its vCPU there. Throws what creating it threw. */
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

  #kick(): void {
    if (this.control.state === State.RUNNING) kickThread(this.control.threadId);
  }

  /** Asks the thread to pause; {@link isPaused} tells when it has. */
  requestPause(): void {
    this.control.request(Request.PAUSE);
    this.#kick();
  }

  /** Asks the thread to pause and then to fill (SAVE) or take (LOAD) its record. */
  requestState(bit: typeof Request.SAVE | typeof Request.LOAD): void {
    this.control.request(Request.PAUSE | bit);
    this.#kick();
  }

  /** Whether a requested save or load has not been done yet. */
  get isExchanging(): boolean {
    return (this.control.requests & (Request.SAVE | Request.LOAD)) !== 0;
  }

  get isPaused(): boolean {
    return this.control.state !== State.RUNNING && this.control.state !== State.STARTING;
  }

  /** Lets a paused thread run its vCPU, unless its loop has ended. */
  resume(): void {
    this.control.leavePause();
    this.control.withdraw(Request.PAUSE);
  }

  /** Lets {@link resume} run a vCPU on whose loop has ended. */
  forgetEnd(): void {
    this.control.withdraw(Request.ENDED);
  }

  /**
   * Runs a function of {@link VcpuCallTypes} in the thread, pausing the guest only for as long as that takes. Rejects
   * with what it threw, or with what became of the thread.
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
      this.control.request(Request.CALL);
      this.#kick();
    });
  }

  /** Ends the thread and its vCPU. Resolves when both are gone. */
  async close(): Promise<void> {
    this.control.request(Request.EXIT);
    this.#kick();
    await this.#exited;
  }
}
