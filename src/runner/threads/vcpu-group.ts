/** All vCPU threads of a machine as one: what is demanded of each is awaited of all, blocking, in microseconds. */
import { HostError } from '../../errors.ts';
import { followTscOffset, type VcpuStateLayout } from '../../kvm/state/vcpu-layout.ts';
import { DEMANDS, type Demand, hasFailed, isGone, isOver, isPending } from './mailbox.ts';
import { recordedError } from './protocol.ts';
import type { VcpuThread } from './vcpu-thread.ts';

const RETRY_MS = 1;
/** A thread that takes longer than this to come to rest never will. */
const DEADLINE_MS = 30_000;

/** What the group needs of its owner while it blocks. */
export interface GroupOwner {
  /** Empties the output rings: a thread that waits for room in one cannot pause. */
  drain(): void;
  /** Why a thread is gone, if that is known. */
  failure(): Error | undefined;
  /** How long to wait for a thread, in milliseconds. Default 30,000. */
  readonly deadlineMs?: number;
}

/**
 * The threads, by vCPU id. Each method throws HostError when a thread does not come to rest, or is found to have ended; a
 * thread that is known to have ended counts as paused.
 */
export class VcpuGroup {
  readonly threads: VcpuThread[] = [];
  readonly #owner: GroupOwner;

  constructor(owner: GroupOwner) {
    this.#owner = owner;
  }

  /** Pauses every vCPU and returns when all have. */
  pause(): void {
    this.#demand(DEMANDS.pause);
  }

  /** Pauses every vCPU and completes what is pending, which may change memory and devices. */
  completePendingIo(): void {
    this.pause();
    if (this.threads.some(({ mailbox }) => isPending(mailbox.look()))) this.#exchange(DEMANDS.save);
  }

  /**
   * Begins to save every vCPU; returns when all stand still with nothing pending. Of several none is saved before: one
   * that still runs could send another an interrupt that is in neither's state.
   */
  beginSave(): void {
    if (this.threads.length > 1) this.completePendingIo();
    this.#demand(DEMANDS.beginSave);
  }

  /** The states of a save begun before: live records. Throws KvmError. */
  finishSave(): readonly Uint8Array[] {
    this.#exchange(DEMANDS.finishSave);
    return this.threads.map((thread) => thread.record);
  }

  /**
   * Pauses and loads a record into every vCPU. With several, and a TSC that can be set exactly, the first is loaded
   * before the others: they get an offset that goes with its. Throws KvmError.
   */
  load(records: readonly Uint8Array[], layout: VcpuStateLayout): void {
    this.pause();
    this.#demand(DEMANDS.finishSave); // one that was given up would overwrite the record
    this.threads.forEach((thread, i) => {
      thread.record.set(records[i]!);
    });
    const [first, ...others] = this.threads;
    if (others.length === 0 || !layout.offsets.has('tsc_offset')) {
      this.#load(this.threads);
      return;
    }
    this.#load([first!]);
    const loading = this.threads.map((thread) => thread.record);
    followTscOffset(layout, records, loading);
    this.#load(others);
  }

  #load(threads: readonly VcpuThread[]): void {
    try {
      this.#exchange(DEMANDS.load, threads);
    } finally {
      for (const thread of threads) if (!hasFailed(thread.mailbox.look())) thread.loaded();
    }
  }

  #exchange(demand: Demand, threads: readonly VcpuThread[] = this.threads): void {
    this.#demand(demand, threads);
    for (const thread of threads) {
      const word = thread.mailbox.look();
      if (isGone(word)) throw this.#owner.failure() ?? thread.goneError();
      if (hasFailed(word)) throw recordedError(thread.record);
    }
  }

  #demand(demand: Demand, threads: readonly VcpuThread[] = this.threads): void {
    for (const thread of threads) thread.ask(demand.ask);
    for (const thread of threads) this.#waitFor(thread, (word) => isOver(demand, word));
  }

  #waitFor(thread: VcpuThread, done: (word: number) => boolean): void {
    const { deadlineMs = DEADLINE_MS } = this.#owner;
    const deadline = performance.now() + deadlineMs;
    while (!thread.mailbox.waitUntil(done, RETRY_MS)) {
      this.#owner.drain();
      thread.noticeDeath();
      if (performance.now() > deadline) throw stuck(thread, deadlineMs);
      thread.kick();
    }
    if (isGone(thread.mailbox.look()) && !thread.isOver) throw this.#owner.failure() ?? thread.goneError();
  }
}

const stuck = ({ id, mailbox }: VcpuThread, ms: number) =>
  new HostError(
    'VCPU_STUCK',
    `vCPU ${id} (thread ${mailbox.threadId}) has not come to rest for ${ms / 1000} s; end this process, and see in the kernel's log what KVM does`,
    { vcpu: id },
  );
