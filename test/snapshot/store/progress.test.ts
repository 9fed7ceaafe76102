import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { CONFIG, type Oracle, pageOf, runsOf, temporaryDirectory } from './support.ts';

/** Collects what is told; every word of it must make sense. */
function listener() {
  const told: { done: number; total: number }[] = [];
  const onProgress = (done: number, total: number) => {
    expect(done).toBeGreaterThan(told.at(-1)?.done ?? 0);
    expect(done).toBeLessThanOrEqual(total);
    expect(total).toBe(told[0]?.total ?? total);
    told.push({ done, total });
  };
  return { told, onProgress };
}

describe('progress', () => {
  const PAGES = 600;
  const ZERO = 30;
  const oracle: Oracle = new Map(
    Array.from({ length: PAGES }, (_, i) => [i, i % (PAGES / ZERO) === 0 ? new Uint8Array(PAGE_SIZE) : pageOf(i)]),
  );

  it('of a commit, a squash and of reading: bytes so far and in all', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const [commit, squash, read] = [listener(), listener(), listener()];
    const runs = runsOf(oracle, oracle.keys());
    const first = store.commit({ config: CONFIG, runs, onProgress: commit.onProgress });
    expect(commit.told).toEqual([256, 512].map((pages) => ({ done: pages * PAGE_SIZE, total: PAGES * PAGE_SIZE })));

    const changed = new Map([...oracle].slice(0, 100).map(([page, bytes]) => [page, bytes.with(7, 1)]));
    const second = store.commit({ config: CONFIG, parent: first.digest, runs: runsOf(changed, changed.keys()) });
    const { digest } = store.squash(second.digest, [], squash.onProgress);
    // A squash speaks only of pages with content; five zero pages have become such.
    const total = (PAGES - ZERO + 5) * PAGE_SIZE;
    expect(squash.told).toEqual(commit.told.map(({ done }) => ({ done, total })));

    for (const ref of [second.digest, digest]) {
      using checkpoint = store.open(ref);
      read.told.length = 0;
      checkpoint.readAll({ data: () => {} }, read.onProgress);
      expect(read.told.at(-1)).toEqual({ done: total, total });
      expect(read.told.length).toBeGreaterThan(5);
    }
  });
});
