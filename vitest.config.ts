// The tests run what is shipped: the built output. A vCPU thread is a worker, and a worker entry cannot be TypeScript on Node 20.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['dist/test/**/*.test.js', 'dist/docs/**/*.test.js'],
    // Many tests wait for a guest or a child process: vitest's own choice, a processor less, leaves one of two idle.
    maxWorkers: availableParallelism(),
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
