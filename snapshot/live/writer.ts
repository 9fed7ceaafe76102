/** The thread that compresses, hashes and writes checkpoints while the guest runs on. */
import { Worker } from 'node:worker_threads';
import { type ErrorData, errorFromData } from '../../src/errors.ts';
import type { Digest } from '../store/digest.ts';
import type { CheckpointConfig } from '../store/documents.ts';
import type { CommitResult } from '../store/store.ts';
import type { StagedRun } from './staging.ts';

/** A commit, as it crosses to the thread. */
export interface WriterRequest {
  readonly config: CheckpointConfig;
  readonly buffer: SharedArrayBuffer;
  readonly runs: readonly StagedRun[];
  readonly stats: Readonly<Record<string, number>>;
  readonly parent?: Digest;
  readonly tags?: readonly string[];
  readonly label?: string;
  readonly level?: number;
  /** Checkpoints to keep: older ones of this run are removed. */
  readonly remove?: readonly Digest[];
}

/** What comes back. */
export type WriterReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'committed'; readonly result: CommitResult }
  | { readonly kind: 'failed'; readonly error: ErrorData };

/** Start data of the thread. */
export interface WriterStart {
  readonly directory: string;
}

/** Writes one checkpoint at a time. */
export class CheckpointWriter {
  readonly #worker: Worker;
  #pending: { resolve(result: CommitResult): void; reject(error: Error): void } | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Opens (or creates) the store at `directory` in a thread of its own. Throws what opening it threw. */
  static start(directory: string): Promise<CheckpointWriter> {
    const worker = new Worker(new URL('./writer-worker.js', import.meta.url), {
      workerData: { directory } satisfies WriterStart,
    });
    const writer = new CheckpointWriter(worker);
    return new Promise((resolve, reject) => {
      const handlers: { [Kind in WriterReply['kind']]: (reply: WriterReply & { kind: Kind }) => void } = {
        ready: () => resolve(writer),
        committed: ({ result }) => writer.#settle()?.resolve(result),
        failed: ({ error }) => fail(errorFromData(error)),
      };
      const fail = (error: Error) => {
        reject(error);
        writer.#settle()?.reject(error);
      };
      worker.on('message', (reply: WriterReply) => handlers[reply.kind](reply as never));
      worker.on('error', fail);
    });
  }

  #settle() {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  /** Commits. The staging memory must not change until the answer is there. Rejects with CheckpointError. */
  commit(request: WriterRequest): Promise<CommitResult> {
    if (this.#pending) return Promise.reject(new Error('a checkpoint is being written already'));
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#worker.postMessage(request);
    });
  }

  /** Ends the thread; what it is writing is finished first by awaiting commit(). */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
