/** The soak's arithmetic finds what leaks, and nothing else. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../snapshot/store/support.ts';
import { growth, MOST_GROWTH, quantile, type Sample } from './samples.ts';

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
    // In a process of its own: in this one, threads of other tests may be leaving, each with its descriptors.
    const code = `import { openSync } from 'node:fs';
import { sample } from '${new URL('./samples.js', import.meta.url)}';
const [folder] = process.argv.slice(1);
const before = sample(folder);
const kept = Array.from({ length: 1e6 }, (_, i) => i / 3);
const opened = [1, 2, 3].map((i) => openSync(folder + '/' + i, 'w'));
const after = sample(folder);
console.log(JSON.stringify({ fds: after.fds - before.fds - opened.length, each: (after.heap - before.heap) / kept.length }));`;
    const args = ['--input-type=module', '-e', code, directory.path];
    const grown = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Record<string, number>;
    expect(grown.fds).toBe(0);
    expect(grown.each).toBeGreaterThan(7);
  });
});

describe('a quantile', () => {
  it('is what so many are below', () => {
    const values = Array.from({ length: 1000 }, (_, i) => 999 - i);
    expect([0, 0.5, 0.99, 1].map((share) => quantile(values, share))).toEqual([0, 500, 990, 999]);
  });
});
