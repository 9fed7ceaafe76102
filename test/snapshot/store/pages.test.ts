import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { absorbFrom } from '../../../snapshot/store/commit.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { MAX_LAYERS, MAX_PAGE_NUMBER, PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CONFIG, contentOf, differences, type Oracle, pageOf, random, runsOf, temporaryDirectory } from './support.ts';

function withStore(step: (store: Store) => void): void {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  step(store);
}

describe('what a commit stores', () => {
  it('stores equal pages once, and zero pages not at all', () =>
    withStore((store) => {
      const oracle: Oracle = new Map();
      for (let page = 0; page < 100; page++)
        oracle.set(page, page % 3 === 0 ? new Uint8Array(PAGE_SIZE) : pageOf(page % 5));
      const { stats } = store.commit({ config: CONFIG, runs: runsOf(oracle, oracle.keys()) });
      expect(stats).toMatchObject({ pages: 100, zero: 34, stored: 5, duplicates: 61, deltas: 0, unchanged: 0 });
    }));

  it('gives back pages at the highest addresses there may be, whole and as deltas', () =>
    withStore((store) => {
      const oracle: Oracle = new Map(
        [5, 2 ** 28 - 1, 2 ** 28, 2 ** 31 + 7, MAX_PAGE_NUMBER - 1].map((page) => [page, pageOf(page % 99)]),
      );
      const parent = store.commit({ config: CONFIG, runs: runsOf(oracle, oracle.keys()) }).digest;
      using whole = store.open(parent);
      expect(differences(oracle, contentOf(whole))).toEqual([]);
      for (const page of oracle.keys())
        oracle.set(
          page,
          oracle.get(page)!.map((byte, i) => (i === 9 ? byte ^ 1 : byte)),
        );
      const { digest, stats } = store.commit({ config: CONFIG, parent, runs: runsOf(oracle, oracle.keys()) });
      expect(stats).toMatchObject({ deltas: 5 });
      using checkpoint = store.open(digest);
      expect(differences(oracle, contentOf(checkpoint))).toEqual([]);
    }));

  it('finds pages again that an earlier layer holds', () =>
    withStore((store) => {
      const oracle: Oracle = new Map(Array.from({ length: 80 }, (_, i) => [i, pageOf(i)]));
      const first = store.commit({ config: CONFIG, runs: runsOf(oracle, oracle.keys()) });
      for (let page = 0; page < 40; page++) oracle.set(page + 200, oracle.get(page)!);
      const second = store.commit({ config: CONFIG, parent: first.digest, runs: runsOf(oracle, oracle.keys()) });
      expect(second.stats).toMatchObject({ pages: 40, duplicates: 40, stored: 0, unchanged: 80 });
      using checkpoint = store.open(second.digest);
      expect(differences(oracle, contentOf(checkpoint))).toEqual([]);
      expect(checkpoint.place(200 * PAGE_SIZE)).toEqual({ ...checkpoint.place(0), gpa: 200 * PAGE_SIZE });
    }));

  it('stores a page of which a few words changed as a delta on the stored page, never on a delta', () =>
    withStore((store) => {
      const oracle: Oracle = new Map([[7, pageOf(7)]]);
      let parent = store.commit({ config: CONFIG, runs: runsOf(oracle, [7]) }).digest;
      using first = store.open(parent);
      const base = first.place(7 * PAGE_SIZE);
      for (let round = 1; round <= 3; round++) {
        const page = oracle.get(7)!.slice();
        page[round * 100] = page[round * 100]! ^ 0x55;
        oracle.set(7, page);
        const { digest, stats } = store.commit({ config: CONFIG, parent, runs: runsOf(oracle, [7]) });
        expect(stats).toMatchObject({ pages: 1, deltas: 1, stored: 0 });
        expect(stats.bytes).toBeLessThan(300);
        using checkpoint = store.open(digest);
        const { mask, ...rest } = checkpoint.place(7 * PAGE_SIZE);
        expect(rest).toEqual({ ...base, kind: 'delta' });
        expect(mask).toBeDefined();
        expect(differences(oracle, contentOf(checkpoint))).toEqual([]);
        parent = digest;
      }
    }));

  it('stores a changed page whole where deltas are not wanted', () =>
    withStore((store) => {
      const first = store.commit({ config: CONFIG, runs: runsOf(new Map([[7, pageOf(7)]]), [7]) });
      const oracle: Oracle = new Map([[7, pageOf(7).fill(1, 10, 12)]]);
      const second = store.commit({ config: CONFIG, parent: first.digest, runs: runsOf(oracle, [7]), deltas: false });
      expect(second.stats).toMatchObject({ pages: 1, deltas: 0, stored: 1 });
      using checkpoint = store.open(second.digest);
      expect(differences(oracle, contentOf(checkpoint))).toEqual([]);
    }));

  it('closes the layers that it no longer needs', () =>
    withStore((store) => {
      const open = () => readdirSync('/proc/self/fd').length;
      const take = (page: number, parent?: Digest) =>
        store.commit({
          config: CONFIG,
          runs: runsOf(new Map([[page, pageOf(page)]]), [page]),
          ...(parent && { parent }),
        }).digest;
      const first = take(1);
      const before = open();
      for (let step = 0; step < 40; step++) {
        take(step + 2, step % 2 ? first : undefined);
        expect(() => store.commit({ config: CONFIG, runs: [], parent: `sha256:${'0'.repeat(64)}` })).toThrow();
        using checkpoint = store.open('latest');
        checkpoint.pages();
      }
      expect(open()).toBeLessThanOrEqual(before + 2);
    }));

  it('adds no layer where nothing changed, and drops layers that contribute nothing', () =>
    withStore((store) => {
      const oracle: Oracle = new Map(Array.from({ length: 10 }, (_, i) => [i, pageOf(i)]));
      const first = store.commit({ config: CONFIG, runs: runsOf(oracle, oracle.keys()) });
      const same = store.commit({ config: CONFIG, parent: first.digest, runs: runsOf(oracle, oracle.keys()) });
      expect(same.stats).toMatchObject({ pages: 0, unchanged: 10, bytes: 0, layers: 1 });
      for (let page = 0; page < 10; page++) oracle.set(page, pageOf(page + 1000));
      const last = store.commit({ config: CONFIG, parent: same.digest, runs: runsOf(oracle, oracle.keys()) });
      expect(last.stats).toMatchObject({ pages: 10, layers: 1 });
      expect(store.manifest(last.digest).layers).not.toEqual(store.manifest(first.digest).layers);
    }));

  it('records a page that became zero', () =>
    withStore((store) => {
      const first = store.commit({ config: CONFIG, runs: runsOf(new Map([[3, pageOf(3)]]), [3]) });
      const second = store.commit({ config: CONFIG, parent: first.digest, runs: runsOf(new Map(), [3]) });
      expect(second.stats).toMatchObject({ pages: 1, zero: 1, layers: 1 });
      using checkpoint = store.open(second.digest);
      expect(contentOf(checkpoint).size).toBe(0);
    }));
});

describe('chains stay short', () => {
  it('300 commits list at most 64 layers, cost no quadratic store, and all read back', () =>
    withStore((store) => {
      const next = random(99);
      const oracle: Oracle = new Map(Array.from({ length: 2000 }, (_, i) => [i, pageOf(i)]));
      let { digest: parent } = store.commit({ config: CONFIG, runs: runsOf(oracle, oracle.keys()) });
      const checks: { digest: typeof parent; oracle: Oracle }[] = [];
      let most = 0;
      let rewritten = 0;
      let changed = 0;
      for (let step = 0; step < 300; step++) {
        const given = Array.from({ length: 7 }, () => next(2000));
        for (const page of given)
          oracle.set(page, next(2) ? pageOf(next(1 << 30)) : oracle.get(page)!.map((b, i) => (i < 9 ? b ^ 1 : b)));
        const { digest, stats } = store.commit({ config: CONFIG, parent, runs: runsOf(oracle, given) });
        parent = digest;
        most = Math.max(most, stats.layers!);
        rewritten += stats.absorbed!;
        changed += stats.pages!;
        if (step % 60 === 59) checks.push({ digest, oracle: new Map(oracle) });
      }
      expect(most).toBeLessThanOrEqual(MAX_LAYERS);
      expect(most).toBeGreaterThan(4);
      expect(rewritten).toBeGreaterThan(0);
      expect(rewritten).toBeLessThan(changed * 8);
      for (const { digest, oracle: expected } of checks) {
        using checkpoint = store.open(digest);
        expect(differences(expected, contentOf(checkpoint))).toEqual([]);
      }
      expect(store.verify().problems).toEqual([]);
      expect(store.log().length).toBe(301);
    }));

  it('the rule keeps at most 64 layers and rewrites each page a few times, for any sequence of sizes', () => {
    const next = random(5);
    const sequences: ((step: number) => number)[] = [
      () => 1,
      () => 64,
      (step) => (step % 2 ? 1 : 10_000),
      (step) => 1 + step,
      () => 4 ** next(12),
      (step) => (step === 0 ? 2 ** 20 : 64),
    ];
    for (const size of sequences) {
      let weights: number[] = [];
      let written = 0;
      let added = 0;
      for (let step = 0; step < 5000; step++) {
        const fresh = size(step);
        const first = absorbFrom(weights, fresh);
        const absorbed = weights.slice(first).reduce((sum, weight) => sum + weight, 0);
        weights = [...weights.slice(0, first), fresh + absorbed];
        expect(weights.length).toBeLessThanOrEqual(MAX_LAYERS);
        written += fresh + absorbed;
        added += fresh;
      }
      expect(written).toBeLessThan(added * 10);
    }
  });
});
