/** A short run of the soak of pauses. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeKvm } from '../support/kvm.ts';

const SOAK = fileURLToPath(new URL('./pauses.js', import.meta.url));

describeKvm('pauses right after resumes, with delays in both sides', () => {
  it('no counter of the guest moves while it is paused, on 1, 2 and 4 vCPUs', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [SOAK, '200']);
    expect(stdout.trimEnd().split('\n').at(-1), stdout).toBe('3 passed, 0 failed, 0 skipped');
  }, 240_000);
});
