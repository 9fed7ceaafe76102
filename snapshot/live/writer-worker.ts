/** Entry of the writer's thread: one store, one commit after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorToData } from '../../src/errors.ts';
import { openStore } from '../store/store.ts';
import type { WriterReply, WriterRequest, WriterStart } from './writer.ts';

const post = (reply: WriterReply) => parentPort!.postMessage(reply);

try {
  const store = openStore((workerData as WriterStart).directory, { create: true });
  parentPort!.on('message', ({ buffer, runs, remove, ...input }: WriterRequest) => {
    try {
      const views = runs.map(({ gpa, offset, length }) => ({ gpa, bytes: new Uint8Array(buffer, offset, length) }));
      const result = store.commit({ ...input, runs: views });
      for (const digest of remove ?? []) store.remove(digest);
      if (remove?.length) store.gc();
      post({ kind: 'committed', result });
    } catch (error) {
      post({ kind: 'failed', error: errorToData(error) });
    }
  });
  post({ kind: 'ready' });
} catch (error) {
  post({ kind: 'failed', error: errorToData(error) });
}
