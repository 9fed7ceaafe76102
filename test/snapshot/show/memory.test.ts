import { describe, expect, it } from 'vitest';
import { dirtyPages, heatAxis, heatOf } from '../../../snapshot/show/heat.ts';
import { coalesce, memoryMap } from '../../../snapshot/show/memory-map.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { pageOf, random, temporaryDirectory } from '../store/support.ts';
import { commitMadeUp } from './made-up.ts';

const PAGE = 4096;

describe('memory map', () => {
  it('counts pages by kind, range and layer', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const first = new Map([0, 1, 2, 512, 513].map((page) => [page * PAGE, pageOf(page + 1)]));
    const base = commitMadeUp(store, {}, first);
    const almost = pageOf(1);
    almost[100]! ^= 1;
    const second = new Map([
      [0, almost],
      [PAGE, new Uint8Array(PAGE)],
    ]);
    const digest = commitMadeUp(store, {}, second, { parent: base });
    using checkpoint = store.open(digest);
    const map = memoryMap(checkpoint);
    expect(map).toMatchObject({ stored: 3, delta: 1, zero: 1 });
    expect(map.ranges).toEqual([
      { gpa: 0, length: 3 * PAGE, stored: 1, delta: 1, zero: 1 },
      { gpa: 512 * PAGE, length: 2 * PAGE, stored: 2, delta: 0, zero: 0 },
    ]);
    expect(map.layers.map(({ pages }) => pages)).toEqual([3, 1]);
  });

  it('joins scattered pages into few ranges that cover them all, in order', () => {
    const next = random(7);
    const pages = [...new Set(Array.from({ length: 3000 }, () => next(2 ** 22)))].sort((a, b) => a - b);
    const gpas = pages.map((page) => page * PAGE);
    const stretches = coalesce(gpas, 10);
    expect(stretches.length).toBeLessThanOrEqual(10);
    expect(stretches.reduce((sum, { count }) => sum + count, 0)).toBe(gpas.length);
    for (const { first, count, gpa, length } of stretches) {
      expect(gpa).toBe(gpas[first]);
      expect(gpa + length).toBe(gpas[first + count - 1]! + PAGE);
    }
    expect(coalesce([])).toEqual([]);
  });
});

describe('heat', () => {
  it('bins add up to the pages, against a naive count', () => {
    const next = random(3);
    const sets = [1, 2, 3].map(() =>
      [...new Set(Array.from({ length: 200 }, () => next(5000)))].sort((a, b) => a - b).map((page) => page * PAGE),
    );
    const axis = heatAxis(sets, 64);
    for (const set of sets) {
      const naive = axis.bins.map(({ gpa, length }) => set.filter((p) => p >= gpa && p < gpa + length).length);
      expect(naive.reduce((sum, n) => sum + n, 0)).toBe(set.length);
      expect(heatOf(axis, set).map((heat, i) => Math.round((heat * axis.bins[i]!.length) / PAGE))).toEqual(naive);
    }
  });

  it('the dirty pages of a checkpoint are those that differ from its parent', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const base = commitMadeUp(store, {}, new Map([4, 5].map((page) => [page * PAGE, pageOf(page)])));
    commitMadeUp(store, {}, new Map([[5 * PAGE, pageOf(9)]]), { parent: base });
    expect(store.log().map((entry) => dirtyPages(store, entry))).toEqual([[5 * PAGE], [4 * PAGE, 5 * PAGE]]);
  });
});
