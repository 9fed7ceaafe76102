/** The thread that compresses, hashes and writes checkpoints while the guest runs on. */
import { Worker } from 'node:worker_threads';
import { CheckpointError, type ErrorData, errorFromData } from '../../src/errors.ts';
import type { Digest } from '../store/format/digest.ts';
import type { CheckpointConfig } from '../store/format/documents.ts';
import type { CommitResult } from '../store/store.ts';
import type { OnProgress } from '../store/store-types.ts';
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
  /** Checkpoints that this one makes superfluous: removed once it is on disk. */
  readonly remove?: readonly Digest[];
}

/** What comes back. */
export type WriterReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  | { readonly kind: 'committed'; readonly result: CommitResult; readonly notRemoved?: ErrorData }
  | { readonly kind: 'failed'; readonly error: ErrorData };

/** A commit that is on disk, and what stood in the way of removing others. */
export interface Written {
  readonly result: CommitResult;
  readonly notRemoved?: Error;
}

/** Start data of the thread. */
export interface WriterStart {
  readonly directory: string;
}

/** Writes one checkpoint at a time. */
export class CheckpointWriter {
  readonly #worker: Worker;
  #pending: { resolve(written: Written): void; reject(error: Error): void } | undefined;
  #onProgress: OnProgress | undefined;
  #gone = false;

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
        progress: ({ done, total }) => writer.#onProgress?.(done, total),
        committed: ({ result, notRemoved }) =>
          writer.#settle()?.resolve({ result, ...(notRemoved && { notRemoved: errorFromData(notRemoved) }) }),
        failed: ({ error }) => fail(errorFromData(error)),
      };
      const fail = (error: Error) => {
        reject(error);
        writer.#settle()?.reject(error);
      };
      worker.on('message', (reply: WriterReply) => handlers[reply.kind](reply as never));
      worker.on('error', fail);
      worker.on('exit', () => {
        writer.#gone = true;
        fail(new CheckpointError('WRITER_GONE', 'the thread that writes checkpoints ended; take the checkpoint again'));
      });
    });
  }

  /** The thread has ended: it writes no more. */
  get gone(): boolean {
    return this.#gone;
  }

  #settle() {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  /** Commits. The staging memory must not change until the answer is there. Rejects with CheckpointError. */
  commit(request: WriterRequest, onProgress?: OnProgress): Promise<Written> {
    if (this.#gone) return Promise.reject(new CheckpointError('WRITER_GONE', 'the thread that writes has ended'));
    if (this.#pending) return Promise.reject(new Error('a checkpoint is being written already'));
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#onProgress = onProgress;
      this.#worker.postMessage(request);
    });
  }

  /** Ends the thread; what it is writing is finished first by awaiting commit(). */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
