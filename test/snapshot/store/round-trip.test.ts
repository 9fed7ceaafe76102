import { describe, expect, it } from 'vitest';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import { PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { CONFIG, contentOf, differences, type Oracle, pageOf, random, runsOf, temporaryDirectory } from './support.ts';

/** Changes some pages of an oracle in every way there is, and returns those to be committed. */
function mutate(oracle: Oracle, size: number, next: (limit: number) => number): number[] {
  const given: number[] = [];
  const count = next(Math.min(size, 90)) + 1;
  for (let i = 0; i < count; i++) {
    const page = next(size);
    given.push(page);
    const before = oracle.get(page);
    const ways: (() => void)[] = [
      () => oracle.delete(page),
      () => oracle.set(page, new Uint8Array(PAGE_SIZE)),
      () => oracle.set(page, pageOf(next(40))),
      () => oracle.set(page, pageOf(next(1 << 30))),
      () => {
        if (before) oracle.set(page, touched(before, 1 + next(6), next));
      },
      () => {
        if (before) oracle.set(page, touched(before, 200 + next(900), next));
      },
      () => {},
      () => {
        const other = oracle.get(next(size));
        if (other) oracle.set(page, other.slice());
      },
    ];
    ways[next(ways.length)]!();
  }
  return given;
}

function touched(page: Uint8Array, bytes: number, next: (limit: number) => number): Uint8Array {
  const copy = page.slice();
  for (let i = 0; i < bytes; i++) copy[next(PAGE_SIZE)] = next(256);
  return copy;
}

describe('checkpoints give back what was put in', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`random trees of commits against a map of pages, seed ${seed}`, () => {
      using directory = temporaryDirectory();
      using store = openStore(directory.path, { create: true, cacheBytes: seed % 2 === 0 ? 1 : 64 << 20 });
      const next = random(seed);
      const size = [1, 63, 65, 130, 321, 1000][seed - 1]!;
      const taken: { digest: Digest; oracle: Oracle }[] = [];
      for (let step = 0; step < 60; step++) {
        const parent =
          taken.length === 0 || next(20) === 0
            ? undefined
            : taken[next(3) === 0 ? next(taken.length) : taken.length - 1];
        const oracle: Oracle = new Map(parent?.oracle ?? []);
        const given = mutate(oracle, size, next);
        const pages = parent ? given : oracle.keys();
        const input = { config: CONFIG, runs: runsOf(oracle, pages, next), ...(parent && { parent: parent.digest }) };
        taken.push({ digest: store.commit(input).digest, oracle });
      }
      const zero = new Uint8Array(PAGE_SIZE);
      for (const [i, { digest, oracle }] of taken.entries()) {
        using checkpoint = store.open(digest);
        expect(differences(oracle, contentOf(checkpoint))).toEqual([]);
        const gpas = Array.from({ length: 40 }, () => next(size + 5) * PAGE_SIZE);
        const into = new Uint8Array(gpas.length * PAGE_SIZE);
        checkpoint.readPages(gpas, into);
        for (const [k, gpa] of gpas.entries())
          expect(
            Buffer.compare(into.subarray(k * PAGE_SIZE, (k + 1) * PAGE_SIZE), oracle.get(gpa / PAGE_SIZE) ?? zero),
          ).toBe(0);

        const otherIndex = next(taken.length);
        using other = store.open(taken[otherIndex]!.digest);
        const unlike = new Set(checkpoint.pagesUnlike(other));
        for (let page = 0; page < size; page++) {
          const equal = Buffer.compare(oracle.get(page) ?? zero, taken[otherIndex]!.oracle.get(page) ?? zero) === 0;
          expect(equal || unlike.has(page * PAGE_SIZE), `page ${page} of ${i} and ${otherIndex}`).toBe(true);
          if (!equal) expect(checkpoint.samePage(other, page * PAGE_SIZE)).toBe(false);
        }
        if (i === otherIndex) expect(unlike.size).toBe(0);
      }
      expect(store.verify().problems).toEqual([]);
    });
  }

  it('keeps the machine, the label and the numbers', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const first = store.commit({
      config: CONFIG,
      runs: [],
      label: 'first',
      stats: { pauseUs: 12.5 },
      time: '2024-05-06T07:08:09.000Z',
    });
    using checkpoint = store.open('latest');
    expect(checkpoint.digest).toBe(first.digest);
    expect(checkpoint.config).toEqual(CONFIG);
    expect(checkpoint.info.label).toBe('first');
    expect(checkpoint.info.time).toBe('2024-05-06T07:08:09.000Z');
    expect(checkpoint.info.stats.pauseUs).toBe(12.5);
    expect(checkpoint.pages()).toEqual([]);
  });

  it('refuses runs that are not whole pages or overlap', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const page = new Uint8Array(PAGE_SIZE);
    const refused = [
      [{ gpa: 12, bytes: page }],
      [{ gpa: 0, bytes: page.subarray(1) }],
      [{ gpa: -PAGE_SIZE, bytes: page }],
      [{ gpa: 2 ** 45, bytes: page }],
      [
        { gpa: PAGE_SIZE, bytes: page },
        { gpa: 0, bytes: new Uint8Array(2 * PAGE_SIZE) },
      ],
    ];
    for (const runs of refused)
      expect(() => store.commit({ config: CONFIG, runs })).toThrowError(expect.objectContaining({ code: 'INVALID' }));
    expect(store.log()).toEqual([]);
  });
});
