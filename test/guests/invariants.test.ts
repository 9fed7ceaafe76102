import { describe, expect, it } from 'vitest';
import { checksumProblems, edgeProblems, type ReadMemory, stampProblems } from '../../guests/invariants.ts';

const PAGE = 4096;

/** Memory of `pages` pages at address 0, and a way to write a word of it. */
function memory(pages: number): {
  bytes: Uint8Array;
  read: ReadMemory;
  set(page: number, word: number, v: bigint): void;
} {
  const bytes = new Uint8Array(pages * PAGE);
  const view = new DataView(bytes.buffer);
  return {
    bytes,
    read: (gpa, length) => bytes.subarray(gpa, gpa + length),
    set: (page, word, value) => view.setBigUint64(page * PAGE + word * 8, value, true),
  };
}

describe('edge', () => {
  it('holds after every addition, before and after the counter is written', () => {
    const { bytes, read } = memory(5);
    for (let steps = 0; steps < 5 * 300; steps++) {
      expect(edgeProblems(read, 0, 5, steps)).toEqual([]);
      bytes[(steps % 5) * PAGE]!++;
      expect(edgeProblems(read, 0, 5, steps)).toEqual([]);
    }
  });

  it('fails when one page is from another moment', () => {
    const { bytes, read } = memory(5);
    for (let steps = 0; steps < 22; steps++) bytes[(steps % 5) * PAGE]!++;
    bytes[3 * PAGE]!--;
    expect(edgeProblems(read, 0, 5, 22)).toEqual(['after 22 additions page 3 must hold 4, it holds 3']);
    bytes[3 * PAGE]!++;
    expect(edgeProblems(read, 0, 5, 20)).toHaveLength(1);
  });
});

describe('stamp', () => {
  it('tells missed, extra and impossible pages', () => {
    const { read, set } = memory(6);
    [3n, 5n, 7n, 9n, 12n, 4n].forEach((stamp, page) => {
      set(page, 0, stamp);
    });
    const dirty = new Set([0, 2]);
    expect(stampProblems(read, { base: 0, span: 6, since: 5, now: 9, isDirty: (page) => dirty.has(page) })).toEqual({
      missed: [3],
      extra: [0],
      impossible: [4],
    });
  });

  it('lets a page of the iteration in progress be either', () => {
    const { read, set } = memory(1);
    set(0, 0, 5n);
    for (const isDirty of [() => true, () => false])
      expect(stampProblems(read, { base: 0, span: 1, since: 5, now: 5, isDirty })).toEqual({
        missed: [],
        extra: [],
        impossible: [],
      });
  });
});

describe('checksum', () => {
  const PAGES = 3;
  const write = (m: ReturnType<typeof memory>, cpu: number, page: number, round: number) => {
    let sum = BigInt(round + cpu);
    m.set(cpu * PAGES + page, 0, BigInt(round));
    m.set(cpu * PAGES + page, 1, BigInt(cpu));
    for (let word = 2; word < 511; word++) {
      const value = BigInt.asUintN(64, 0x9e3779b97f4a7c15n * BigInt(word * round + page + 1));
      m.set(cpu * PAGES + page, word, value);
      sum += value;
    }
    m.set(cpu * PAGES + page, 511, BigInt.asUintN(64, sum));
  };

  it('holds at every position, with the page in progress half written', () => {
    const m = memory(2 * PAGES);
    for (let position = 0; position < 4 * PAGES; position++) {
      const page = position % PAGES;
      m.set(page, 7, 0xdeadn);
      expect(checksumProblems(m.read, 0, PAGES, [position, 0])).toEqual([]);
      write(m, 0, page, Math.floor(position / PAGES) + 1);
      expect(checksumProblems(m.read, 0, PAGES, [position, 0])).toEqual([]);
    }
    expect(checksumProblems(m.read, 0, PAGES, [4 * PAGES, 0])).toEqual([]);
  });

  it('finds a page of another round, a torn page and a foreign page', () => {
    const m = memory(2 * PAGES);
    for (const cpu of [0, 1]) for (let page = 0; page < PAGES; page++) write(m, cpu, page, 1);
    const whole = [PAGES, PAGES];
    expect(checksumProblems(m.read, 0, PAGES, whole)).toEqual([]);
    m.set(1, 100, 1n);
    expect(checksumProblems(m.read, 0, PAGES, whole)).toEqual([
      expect.stringMatching(/writer 0, page 1 .*sum is wrong/),
    ]);
    write(m, 0, 1, 2);
    expect(checksumProblems(m.read, 0, PAGES, whole)).toEqual([expect.stringMatching(/is of round 2, not 1/)]);
    write(m, 0, 1, 1);
    m.set(PAGES + 2, 1, 0n);
    expect(checksumProblems(m.read, 0, PAGES, whole)).toEqual([
      expect.stringMatching(/writer 1, page 2 .*written by 0/),
    ]);
  });
});
