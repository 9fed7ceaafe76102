// The tests run what is shipped: the built output. A vCPU thread is a worker, and a worker entry cannot be TypeScript on Node 20.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['dist/test/**/*.test.js', 'dist/docs/**/*.test.js'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
