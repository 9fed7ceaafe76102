/** The soak's arithmetic finds what leaks, and nothing else. */
import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { growth, MOST_GROWTH, quantile, type Sample, sample } from './samples.ts';

const EVEN: Sample = { fds: 30, maps: 300, rss: 2e8, heap: 1e7, store: 4e5 };
const NAMES = Object.keys(EVEN) as (keyof Sample)[];
const series = (at: (i: number) => Partial<Sample>) => Array.from({ length: 40 }, (_, i) => ({ ...EVEN, ...at(i) }));

describe('growth', () => {
  it('is none where nothing changes, whatever the first quarter looked like', () => {
    const samples = series((i) => (i < 10 ? { rss: i * 1e7, fds: i } : {}));
    expect(NAMES.map((name) => growth(samples, name))).toEqual([0, 0, 0, 0, 0]);
  });

  it('is not found in a single peak at the end', () => {
    expect(
      growth(
        series((i) => (i === 37 ? { rss: 9e8 } : {})),
        'rss',
      ),
    ).toBe(0);
  });

  it.each([
    ['fds', 20_000 / 1000],
    ['maps', 20_000 / 50],
    ['rss', 20_000 * 4096],
    ['heap', 20_000 * 200],
    ['store', 20_000 * 500],
  ] as const)('of %s is too much when a little leaks in each of 20,000 rounds', (name, leaked) => {
    const samples = series((i) => ({ [name]: EVEN[name] + (leaked * i) / 40 }));
    expect(growth(samples, name)).toBeGreaterThan(MOST_GROWTH[name]);
  });
});

describe('a sample', () => {
  it('counts descriptors and heap', () => {
    using directory = temporaryDirectory();
    const before = sample(directory.path);
    const kept = Array.from({ length: 1e6 }, (_, i) => i / 3);
    const fds = [1, 2, 3].map((i) => openSync(`${directory.path}/${i}`, 'w'));
    const after = sample(directory.path);
    for (const fd of fds) closeSync(fd);
    expect(after.fds - before.fds).toBe(fds.length);
    expect(after.heap - before.heap).toBeGreaterThan(kept.length * 7);
  });
});

describe('a quantile', () => {
  it('is what so many are below', () => {
    const values = Array.from({ length: 1000 }, (_, i) => 999 - i);
    expect([0, 0.5, 0.99, 1].map((share) => quantile(values, share))).toEqual([0, 500, 990, 999]);
  });
});
