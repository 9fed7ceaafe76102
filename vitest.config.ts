// The tests run what is shipped: the built output. A vCPU thread is a worker, and a worker entry cannot be TypeScript on Node 20.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LONG } from './test/support/long.ts';
import { LONG_FILES } from './test/support/long-files.ts';
import { scaled, TIME_FACTOR } from './test/support/time.ts';

const ALL = ['dist/test/**/*.test.js', 'dist/docs/**/*.test.js'];
/** They count what their process holds, or change what all of it shares. */
const APART = ['dist/test/**/leaks.test.js', 'dist/test/ffi/signals.test.js', 'dist/test/runner/thread-death.test.js'];

export default defineConfig({
  test: {
    globalSetup: ['test/support/bundle.ts', 'test/support/left-over.ts'],
    env: { TEST_TIME_FACTOR: String(TIME_FACTOR) },
    // Many tests wait for a guest or a child process: vitest's own choice, a processor less, leaves one of two idle.
    maxWorkers: availableParallelism(),
    testTimeout: scaled(30_000),
    hookTimeout: scaled(60_000),
    // When it is over vitest ends at once, whatever it has found until then: longer than the patience of left-over.ts.
    teardownTimeout: scaled(20_000),
    // A process for each file costs half a second of processor time, most of it for loading the same modules again.
    projects: [
      {
        extends: true,
        test: { name: 'together', include: ALL, exclude: [...APART, ...(LONG ? [] : LONG_FILES)], isolate: false },
      },
      { extends: true, test: { name: 'apart', include: APART } },
    ],
  },
});
