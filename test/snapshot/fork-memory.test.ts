/** What forks cost in memory: what they write, and little besides. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import type { Growth } from '../../bench/fork-memory.ts';
import { probeArgs } from '../../bench/ours.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { describeKvm } from '../support/kvm.ts';

const MIB = 2 ** 20;
/** For each fork, beyond what it writes: kvm_run area, bitmaps, device records, objects. */
const MOST_PER_FORK = MIB;

describeKvm('memory of forks', () => {
  it('20 forks of 128 MiB, half of it in use, cost what they write and less than 1 MiB each', () => {
    const [mib, forks, pages] = [128, 20, 256];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      probeArgs('forks', `${mib}`, `${forks}`, `${pages}`),
      {
        encoding: 'utf8',
      },
    );
    expect(status, stderr).toBe(0);
    const { before, forked, written } = JSON.parse(stdout) as Growth;
    expect(before).toBeGreaterThan((mib / 2) * MIB); // the template is in it
    expect(forked - before).toBeLessThan(forks * MOST_PER_FORK);
    const change = forks * pages * PAGE_SIZE;
    expect(written - forked).toBeGreaterThan(0.9 * change); // else the measure would miss it
    expect(written - before).toBeLessThan(change + forks * MOST_PER_FORK);
  });
});
