/** Entry of the writer thread: opens one store and writes one checkpoint after the other. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { CheckpointError, type ErrorData, errorToData } from '../../src/errors.ts';
import type { Digest } from '../store/format/digest.ts';
import { openStore, type Store } from '../store/store.ts';
import type { OnProgress } from '../store/store-types.ts';
import type { WriterReply, WriterRequest, WriterStart } from './writer.ts';

const post = (reply: WriterReply) => parentPort!.postMessage(reply);

/** Nice value: on a busy host the guest gets three times the writer's time. A higher one would starve the writer. */
const WRITER_NICE = 5;
const PROGRESS_EVERY_MS = 100;

/** Posts the progress of a commit at most once in {@link PROGRESS_EVERY_MS}. */
function progress(): OnProgress {
  let next = performance.now() + PROGRESS_EVERY_MS;
  return (done, total) => {
    const now = performance.now();
    if (now < next) return;
    next = now + PROGRESS_EVERY_MS;
    post({ kind: 'progress', done, total });
  };
}

function removeAll(store: Store, digests: readonly Digest[]): void {
  for (const digest of digests) removeIfThere(store, digest);
  if (digests.length > 0) store.gc();
}

function removeIfThere(store: Store, digest: Digest): void {
  try {
    store.remove(digest);
  } catch (error) {
    if (!(error instanceof CheckpointError && error.code === 'NOT_FOUND')) throw error;
  }
}

/** Returns the error of `action`: the checkpoint is on disk already, so it has not failed. */
function problemOf(action: () => void): ErrorData | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return errorToData(error);
  }
}

try {
  setPriority(WRITER_NICE); // of this thread alone, on Linux
  const store = openStore((workerData as WriterStart).directory, { create: true });
  parentPort!.on('message', ({ buffer, runs, remove, ...input }: WriterRequest) => {
    try {
      const views = runs.map(({ gpa, offset, length }) => ({ gpa, bytes: new Uint8Array(buffer, offset, length) }));
      const result = store.commit({ ...input, runs: views, onProgress: progress() });
      const notRemoved = problemOf(() => removeAll(store, remove ?? []));
      post({ kind: 'committed', result, ...(notRemoved && { notRemoved }) });
    } catch (error) {
      post({ kind: 'failed', error: errorToData(error) });
    }
  });
  post({ kind: 'ready' });
} catch (error) {
  post({ kind: 'failed', error: errorToData(error) });
}
