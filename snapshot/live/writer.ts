/** The thread that compresses, hashes and writes checkpoints while the guest runs on. */
import { Worker } from 'node:worker_threads';
import { CheckpointError, type ErrorData, errorFromData } from '../../src/errors.ts';
import { threadEnv } from '../../src/runner/threads/thread-env.ts';
import type { Digest } from '../store/format/digest.ts';
import type { CheckpointConfig } from '../store/format/documents.ts';
import type { CommitResult } from '../store/store.ts';
import type { OnProgress } from '../store/store-types.ts';
import type { StagedRun } from './staging.ts';

/** Owner to thread: a checkpoint to commit. */
export interface WriterRequest {
  readonly config: CheckpointConfig;
  readonly buffer: SharedArrayBuffer;
  readonly runs: readonly StagedRun[];
  readonly stats: Readonly<Record<string, number>>;
  readonly parent?: Digest;
  readonly tags?: readonly string[];
  readonly label?: string;
  readonly level?: number;
  /** Checkpoints to remove when this one is on disk. */
  readonly remove?: readonly Digest[];
}

/** Thread to owner. */
export type WriterReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly done: number; readonly total: number }
  | { readonly kind: 'committed'; readonly result: CommitResult; readonly notRemoved?: ErrorData }
  | { readonly kind: 'failed'; readonly error: ErrorData };

/** A commit that is on disk, and the error of removing others, if there was one. */
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

  /** Opens (or creates) the store at `directory` in a new thread. Rejects with CheckpointError if that fails. */
  static start(directory: string): Promise<CheckpointWriter> {
    const start: WriterStart = { directory };
    const worker = new Worker(new URL('./writer-worker.js', import.meta.url), { ...threadEnv(), workerData: start });
    const writer = new CheckpointWriter(worker);
    return new Promise((resolve, reject) => {
      const handlers: { [Kind in WriterReply['kind']]: (reply: WriterReply & { kind: Kind }) => void } = {
        ready: () => resolve(writer),
        progress: ({ done, total }) => writer.#onProgress?.(done, total),
        committed: ({ result, notRemoved }) =>
          writer.#takePending()?.resolve({ result, ...(notRemoved && { notRemoved: errorFromData(notRemoved) }) }),
        failed: ({ error }) => fail(errorFromData(error)),
      };
      const fail = (error: Error) => {
        reject(error);
        writer.#takePending()?.reject(error);
      };
      worker.on('message', (reply: WriterReply) => handlers[reply.kind](reply as never));
      worker.on('error', fail);
      worker.on('exit', () => {
        writer.#gone = true;
        fail(new CheckpointError('WRITER_GONE', 'the thread that writes checkpoints ended; take the checkpoint again'));
      });
    });
  }

  /** The thread has ended. */
  get gone(): boolean {
    return this.#gone;
  }

  #takePending() {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  /** Commits. The staging memory must not change until this resolves. Rejects with CheckpointError. */
  commit(request: WriterRequest, onProgress?: OnProgress): Promise<Written> {
    if (this.#gone) return Promise.reject(new CheckpointError('WRITER_GONE', 'the thread that writes has ended'));
    if (this.#pending) return Promise.reject(new Error('a checkpoint is being written already'));
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#onProgress = onProgress;
      this.#worker.postMessage(request);
    });
  }

  /** Ends the thread. Await commit() first, or the checkpoint being written is lost. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
