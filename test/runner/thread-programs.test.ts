/** What every program of a thread has to be. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { it } from 'vitest';

const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

// Where exit() ends a thread that evaluates a module with such an await, V8 12 (Node 22) aborts the process, with a native
// stack trace. rolldown refuses it, in any of the modules, for this format.
it.each([
  'src/runner/threads/worker.js',
  'src/runner/threads/io-worker.js',
  'snapshot/live/writer-worker.js',
  'snapshot/on-demand/page-server.js',
])('%s and what it imports have no await outside a function', async (program) => {
  await using made = await rolldown({
    input: join(DIST, program),
    platform: 'node',
    external: /^[^./]/,
    logLevel: 'silent',
  });
  await made.generate({ format: 'cjs' });
});
