/** The public comparison: of two checkpoints, and of a checkpoint with the machine as it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { CheckpointSession, diff, openStore } from '../../../index.ts';
import { describeKvm } from '../../support/kvm.ts';
import { drive } from '../driver.ts';

describeKvm('diff', () => {
  it('compares checkpoints, and a checkpoint with the machine, which is as it was afterwards', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vmlapse-diff-'));
    try {
      const { driver } = drive('memory-writer-bounded', { param_pages: 4 });
      using running = driver;
      using store = openStore(directory, { create: true });
      using session = new CheckpointSession(running.local, store);
      running.go(60);
      session.checkpoint({ tags: ['a'] });
      running.go(60);
      session.checkpoint({ tags: ['b'] });
      using a = store.open('a');
      using b = store.open('b');
      expect([...store.tags()].sort()).toEqual([
        ['a', a.digest],
        ['b', b.digest],
      ]);

      const between = diff(a, b);
      expect(between).toMatchObject({ a: { digest: a.digest }, b: { digest: b.digest } });
      expect(between.memory.bytesChanged).toBeGreaterThan(0);

      expect(diff(b, session).memory.ranges).toEqual([]);
      const { memory } = running.machine;
      const at = memory.ranges[0]!.base + memory.ranges[0]!.size - 4096;
      memory.write(at + 8, Uint8Array.of(7));
      const now = diff(b, session);
      expect(now.b.digest).toBeUndefined();
      expect(now.memory.ranges.map(({ gpa, length }) => [gpa, length])).toEqual([[at + 8, 1]]);
      expect(diff(a, session).memory.pages).toContain(at);
      expect(running.go().reason).toBe('exit-port');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
