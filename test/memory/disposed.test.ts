/** Memory and descriptors used after they were disposed of: an error, and not the end of the process. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeKvm } from '../support/kvm.ts';

const CHILD = fileURLToPath(new URL('./disposed-child.js', import.meta.url));

describeKvm('what was disposed of', () => {
  it('throws when it is used', () => {
    const { stdout, signal, status } = spawnSync(process.execPath, [CHILD], { encoding: 'utf8' });
    expect({ signal, status }).toEqual({ signal: null, status: 0 });
    const uses = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, string]);
    expect(uses.length).toBe(24);
    const { pending, ...others } = Object.fromEntries(uses);
    expect(pending).toBe('nothing');
    const odd = Object.entries(others).filter(([, end]) => !/^(GuestMemoryError CLOSED|KvmError EBADF)$/.test(end));
    expect(odd).toEqual([]);
  });
});
