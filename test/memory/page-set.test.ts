/** Sets of pages against a set of numbers, and what they cost where they could hold very many. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageSet } from '../../src/memory/page-set.ts';

const PAGES = 5000;
type Run = readonly [first: number, count: number];

const run = fc.nat(PAGES - 1).chain((first) => fc.tuple(fc.constant(first), fc.nat(Math.min(1500, PAGES - first))));
const manyRuns = fc.array(run, { maxLength: 8 });

function setOf(runs: readonly Run[]): PageSet {
  const set = new PageSet(PAGES);
  for (const [first, count] of runs) set.add(first, count);
  return set;
}

function numbersOf(runs: readonly Run[]): number[] {
  const numbers = new Set<number>();
  for (const [first, count] of runs) for (let page = first; page < first + count; page++) numbers.add(page);
  return [...numbers].sort((a, b) => a - b);
}

/** The pages as forEachRun gives them. Runs that touch, or are not ascending, are found by comparing runs. */
function runsIn(set: PageSet): Run[] {
  const found: Run[] = [];
  set.forEachRun((first, count) => found.push([first, count]));
  return found;
}

function runsOf(numbers: readonly number[]): Run[] {
  const runs: [number, number][] = [];
  for (const page of numbers) {
    const last = runs.at(-1);
    if (last && last[0] + last[1] === page) last[1]++;
    else runs.push([page, 1]);
  }
  return runs;
}

describe('a set of pages', () => {
  it('holds what was added, in as few runs as there are', () => {
    fc.assert(
      fc.property(manyRuns, (runs) => {
        const set = setOf(runs);
        const numbers = numbersOf(runs);
        expect(runsIn(set)).toEqual(runsOf(numbers));
        expect(set.count).toBe(numbers.length);
        expect(set.isEmpty).toBe(numbers.length === 0);
        expect(numbers.every((page) => set.has(page))).toBe(true);
      }),
    );
  });

  it('takes the pages of another, of a bitmap, and all that another has', () => {
    fc.assert(
      fc.property(manyRuns, manyRuns, (mine, theirs) => {
        const both = runsOf(numbersOf([...mine, ...theirs]));
        const [from, added, withBits, drained] = [setOf(theirs), setOf(mine), setOf(mine), setOf(mine)];
        added.addAll(from);
        withBits.addBits(from.bits);
        expect(runsIn(from)).toEqual(runsOf(numbersOf(theirs)));
        drained.drain(from);
        for (const set of [added, withBits, drained]) expect(runsIn(set)).toEqual(both);
        expect([from.isEmpty, from.count]).toEqual([true, 0]);
      }),
    );
  });

  it('is empty after clear, and can be filled again', () => {
    const set = setOf([[7, 1500]]);
    set.clear();
    expect([set.isEmpty, set.count, set.bits.every((word) => word === 0)]).toEqual([true, 0, true]);
    set.add(4999, 1);
    expect(runsIn(set)).toEqual([[4999, 1]]);
  });

  it('is shared by its buffer', () => {
    const buffer = new SharedArrayBuffer(PageSet.bytes(PAGES));
    const [mine, theirs] = [new PageSet(PAGES, buffer), new PageSet(PAGES, buffer)];
    theirs.add(1023, 2);
    expect(runsIn(mine)).toEqual([[1023, 2]]);
  });

  it('refuses pages past its end', () => {
    expect(() => new PageSet(64).add(63, 2)).toThrow(RangeError);
  });

  it('holds pages of 2^28 that there may be', () => {
    const set = new PageSet(2 ** 28);
    set.add(2 ** 28 - 1, 1);
    set.add(2 ** 27 - 1, 2);
    const taken = new PageSet(2 ** 28);
    taken.drain(set);
    expect(runsIn(taken)).toEqual([
      [2 ** 27 - 1, 2],
      [2 ** 28 - 1, 1],
    ]);
  });
});
