/** A short run of the soak of pauses. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';

const FOUND = /^FAILED \d vCPUs: nothing moves while paused: 1000 pairs, [1-9]/m;
const SOAK = fileURLToPath(new URL('./pauses.js', import.meta.url));

describeKvm('pauses right after resumes, with delays in both sides', () => {
  it(
    'no counter of the guest moves while it is paused, on 1, 2 and 4 vCPUs',
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [SOAK, '200']);
      expect(stdout.trimEnd().split('\n').at(-1), stdout).toBe('4 passed, 0 failed, 0 skipped');
    },
    scaled(240_000),
  );

  it(
    'finds the race of a thread that looks for requests and announces that it runs in two steps',
    async () => {
      // A host on which threads wake up late may hide it for a while.
      const deadline = performance.now() + scaled(120_000);
      let stdout = '';
      do {
        const run = promisify(execFile)(process.execPath, [SOAK, '1000', '--unchecked']);
        ({ stdout } = (await run.catch((error: unknown) => error)) as { stdout: string });
        expect(stdout).toContain('ok threads are delayed');
      } while (!FOUND.test(stdout) && performance.now() < deadline);
      expect(stdout).toMatch(FOUND);
    },
    scaled(240_000),
  );
});
