/** All vCPU threads of a machine as one: what is asked of each is awaited of all, blocking, in microseconds. */
import { Request, State } from './control.ts';
import { recordedError } from './state-record.ts';
import type { VcpuThread } from './vcpu-thread.ts';

const RETRY_MS = 1;

type StateRequest = typeof Request.SAVE | typeof Request.LOAD;

/** What the group needs of its owner while it blocks. */
export interface GroupOwner {
  /** Empties the output rings: a thread that waits for room in one cannot pause. */
  drain(): void;
  /** Why a thread is gone, if that is known. */
  failure(): Error | undefined;
}

/** The threads, by vCPU id. */
export class VcpuGroup {
  readonly threads: VcpuThread[] = [];
  readonly #owner: GroupOwner;

  constructor(owner: GroupOwner) {
    this.#owner = owner;
  }

  /** Pauses every vCPU and returns when all have. */
  pause(): void {
    for (const thread of this.threads) thread.requestPause();
    for (const thread of this.threads) {
      this.#waitFor(
        thread,
        () => thread.isPaused,
        () => thread.requestPause(),
      );
    }
  }

  /** Pauses every vCPU and completes what is pending, which may change memory and devices. */
  settle(): void {
    this.pause();
    if (this.threads.some((thread) => thread.control.pending)) this.#exchange(Request.SAVE);
  }

  /**
   * Begins to save every vCPU; returns when all stand still with nothing pending. Of several none is saved before: one
   * that still runs could send another an interrupt that is in neither's state.
   */
  beginSave(): void {
    if (this.threads.length > 1) this.settle();
    for (const thread of this.threads) thread.requestState(Request.SAVE);
    for (const thread of this.threads) {
      this.#waitFor(
        thread,
        () => !thread.isExchanging || (thread.isPaused && !thread.control.pending),
        () => thread.requestState(Request.SAVE),
      );
    }
  }

  /** The states of a save begun before: live records. Throws KvmError. */
  finishSave(): readonly Uint8Array[] {
    this.#await(Request.SAVE);
    return this.threads.map((thread) => thread.record);
  }

  /** Pauses and loads a record into every vCPU. Throws KvmError. */
  load(records: readonly Uint8Array[]): void {
    this.pause();
    this.threads.forEach((thread, i) => {
      thread.record.set(records[i]!);
    });
    this.#exchange(Request.LOAD);
  }

  #exchange(bit: StateRequest): void {
    for (const thread of this.threads) thread.requestState(bit);
    this.#await(bit);
  }

  #await(bit: StateRequest): void {
    for (const thread of this.threads) {
      this.#waitFor(
        thread,
        () => !thread.isExchanging,
        () => thread.requestState(bit),
      );
    }
    for (const thread of this.threads) if (thread.control.failed) throw recordedError(thread.record);
  }

  #waitFor(thread: VcpuThread, done: () => boolean, again: () => void): void {
    while (!thread.control.waitUntil(done, RETRY_MS)) {
      this.#owner.drain();
      if (thread.control.state === State.GONE) {
        throw this.#owner.failure() ?? new Error(`the thread of vCPU ${thread.id} is gone`);
      }
      again();
    }
  }
}
