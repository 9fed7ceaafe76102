/** What forks cost in memory: what they write, and little besides. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import type { Growth } from '../../bench/fork-memory.ts';
import { forkProbeArgs } from '../../bench/ours.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { describeKvm } from '../support/kvm.ts';

const MIB = 2 ** 20;
/** For each fork, beyond what it writes: kvm_run area, bitmaps, device records, objects. */
const MOST_PER_FORK = MIB;
/** What the runtime takes meanwhile, for compiled code or its heap, is in a measurement, too: the smallest of so many counts. */
const PROBES = 3;

function probe(mib: number, forks: number, pages: number): Growth {
  const { status, stdout, stderr } = spawnSync(process.execPath, forkProbeArgs(mib, forks, pages), {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as Growth;
}

describeKvm('memory of forks', () => {
  it('20 forks of 128 MiB, half of it in use, cost what they write and less than 1 MiB each', () => {
    const [mib, forks, pages] = [128, 20, 256];
    const all = Array.from({ length: PROBES }, () => probe(mib, forks, pages));
    const told = JSON.stringify(all);
    const change = forks * pages * PAGE_SIZE;
    for (const { before, forked, written } of all) {
      expect(before, told).toBeGreaterThan((mib / 2) * MIB); // the template is in it
      expect(written - forked, told).toBeGreaterThan(0.9 * change); // else the measure would miss it
    }
    const least = (grown: (one: Growth) => number) => Math.min(...all.map(grown));
    expect(
      least(({ before, forked }) => forked - before),
      told,
    ).toBeLessThan(forks * MOST_PER_FORK);
    expect(
      least(({ before, written }) => written - before),
      told,
    ).toBeLessThan(change + forks * MOST_PER_FORK);
  });
});
