import { HostError } from '../../errors.ts';
import { followTscOffset, type VcpuStateLayout } from '../../kvm/state/vcpu-layout.ts';
import { DEMANDS, type Demand, hasFailed, isGone, isOver, isPending } from './mailbox.ts';
import { recordedError } from './protocol.ts';
import type { VcpuThread } from './vcpu-thread.ts';

const RETRY_MS = 1;
/** After this time a thread is reported as stuck. */
const DEADLINE_MS = 30_000;

/** What the group calls while it blocks. */
interface GroupOwner {
  /** Empties the output rings: a thread that waits for room in one cannot pause. */
  drain(): void;
  /** Why a thread is gone, if that is known. */
  failure(): Error | undefined;
  /** How long to wait for a thread, in milliseconds. Default 30,000. */
  readonly deadlineMs?: number;
}

/**
 * All vCPU threads of a machine, by vCPU id. Each method makes a request to all and blocks until all have done it, usually
 * microseconds. Throws HostError if a thread does not respond in time, or has ended unnoticed; one that is known to have
 * ended counts as paused.
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

  /** Pauses every vCPU and completes pending I/O, which may change memory and devices. */
  completePendingIo(): void {
    this.pause();
    if (this.threads.some(({ mailbox }) => isPending(mailbox.look()))) this.#exchange(DEMANDS.save);
  }

  /**
   * Begins to save every vCPU; returns when all are paused with nothing pending. All pause before any is saved: one that
   * still runs could send another an interrupt that is in neither's state.
   */
  beginSave(): void {
    if (this.threads.length > 1) this.completePendingIo();
    this.#demand(DEMANDS.beginSave);
  }

  /** Waits for the states of beginSave(): live records. Throws KvmError. */
  finishSave(): readonly Uint8Array[] {
    this.#exchange(DEMANDS.finishSave);
    return this.threads.map((thread) => thread.record);
  }

  /**
   * Pauses every vCPU and loads a record into each. With several vCPUs, and a TSC that can be set exactly, loads the first
   * one before the others, whose TSC offsets depend on it. Throws KvmError.
   */
  load(records: readonly Uint8Array[], layout: VcpuStateLayout): void {
    this.pause();
    this.#demand(DEMANDS.finishSave); // a save that was given up would overwrite the record
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

  /** Resolves when the errors of all threads that are gone are known. */
  async knowWhy(): Promise<void> {
    const gone = this.threads.filter(({ mailbox }) => isGone(mailbox.look()));
    await Promise.all(gone.map(({ over }) => over));
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
