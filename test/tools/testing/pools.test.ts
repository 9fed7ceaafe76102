/** The fixtures in each of vitest's pools: two of them run tests in a new context of node:vm. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeKvm } from '../../support/kvm.ts';
import { scaled } from '../../support/time.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const VITEST = fileURLToPath(new URL('./vitest.mjs', import.meta.resolve('vitest/package.json')));
const SUITES = 'dist/docs/testing-guests';

describeKvm('the fixtures in another pool', () => {
  it.each(['vmThreads', 'vmForks'])(
    '%s',
    async (pool) => {
      const args = [VITEST, 'run', `--pool=${pool}`, SUITES];
      const env = { ...process.env, NO_COLOR: '1' };
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
      expect(stdout).toMatch(/Tests {2}(\d+) passed \(\1\)/); // all of them
      expect(stderr).not.toContain('File descriptor'); // Node warns of one that it closes and has not opened
    },
    scaled(120_000),
  );
});
