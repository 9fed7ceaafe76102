import { describe, expect, it } from 'vitest';
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { runsOf } from '../../../snapshot/diff/ranges.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { commitMadeUp, pageWith } from '../show/made-up.ts';
import { pageOf, random, temporaryDirectory } from '../store/support.ts';
import { compare } from './compare.ts';

const PAGE = 4096;

describe('runs of a mask', () => {
  it('against a naive oracle', () => {
    const next = random(11);
    for (let round = 0; round < 300; round++) {
      const mask = new Uint8Array(256);
      for (let i = next(12); i > 0; i--) mask.fill(next(4), next(256), next(256));
      const seen = new Uint8Array(256);
      let last = -1;
      const runs = runsOf(mask);
      for (let i = 0; i < runs.length; i += 2) {
        const [offset, length] = runs.slice(i, i + 2) as [number, number];
        expect(offset).toBeGreaterThan(last);
        seen.fill(1, offset, offset + length);
        last = offset + length;
      }
      expect([...seen]).toEqual(Array.from(mask, (byte) => (byte === 0 ? 0 : 1)));
    }
  });
});

describe('memory of two checkpoints', () => {
  it('ranges, with what was and what is', () => {
    const memory = compare(
      new Map([
        [0x20_0000, pageWith({ 0: [1, 2, 3, 4], 100: [9] })],
        [0x20_1000, pageWith({ 0: [5] })],
      ]),
      new Map([[0x20_0000, pageWith({ 0: [1, 7, 3, 8], 100: [9], 4095: [6] })]]),
    );
    expect(memory).toMatchObject({ pagesCompared: 1, pagesChanged: 1, bytesChanged: 3, rangeCount: 2 });
    expect(memory.ranges).toEqual([
      { gpa: 0x20_0001, length: 3, changed: 2, before: Uint8Array.of(2, 3, 4), after: Uint8Array.of(7, 3, 8) },
      { gpa: 0x20_0fff, length: 1, changed: 1, before: Uint8Array.of(0), after: Uint8Array.of(6) },
    ]);
    expect(memory.places).toEqual([{ name: '0x200000..0x2fffff', gpa: 0x20_0001, pages: 1, bytes: 3 }]);
  });

  it('a range goes on over the end of a page', () => {
    const memory = compare(
      new Map([
        [0, pageWith({ 4095: [1] })],
        [PAGE, pageWith({ 0: [1] })],
        [2 * PAGE, pageWith({ 4094: [1] })],
        [3 * PAGE, pageWith({ 0: [1] })],
      ]),
      new Map([0, 1, 2, 3].map((page) => [page * PAGE, new Uint8Array(PAGE)])),
    );
    expect(memory.ranges.map(({ gpa, length }) => [gpa, length])).toEqual([
      [4095, 2],
      [2 * PAGE + 4094, 3],
    ]);
  });

  it('pages that appear, vanish, or were written without a change', () => {
    const memory = compare(
      new Map([
        [PAGE, pageOf(1)],
        [2 * PAGE, pageOf(2)],
      ]),
      new Map([
        [0, pageOf(3)],
        [PAGE, new Uint8Array(PAGE)],
        [2 * PAGE, pageOf(2)],
      ]),
    );
    expect(memory.pages).toEqual([0, PAGE]);
    const count = (page: Uint8Array) => page.reduce((sum, byte) => sum + (byte === 0 ? 0 : 1), 0);
    expect(memory.bytesChanged).toBe(count(pageOf(1)) + count(pageOf(3)));
  });

  it('unrelated checkpoints with the same and other content, against a naive oracle', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const next = random(5);
    const some = () => new Map(Array.from({ length: 12 }, () => [next(16) * PAGE, pageOf(next(6))]));
    const memories = [some(), some(), some()];
    const digests = memories.map((pages) => commitMadeUp(store, {}, pages));
    // A grandchild, whose pages rest on those of the last one in several ways.
    const edited = new Map([...memories[2]!].map(([gpa, page], i) => [gpa, i % 3 ? page.with(i, 1) : pageOf(i % 6)]));
    memories.push(new Map([...memories[2]!, ...edited]));
    digests.push(commitMadeUp(store, {}, edited, { parent: digests[2]! }));
    const zero = new Uint8Array(PAGE);
    for (const [i, x] of memories.entries()) {
      for (const [j, y] of memories.entries()) {
        using a = store.open(digests[i]!);
        using b = store.open(digests[j]!);
        const { memory } = diffCheckpoints(a, b, { limit: Number.POSITIVE_INFINITY, keepBytes: PAGE });
        const expected: string[] = [];
        for (let page = 0; page < 16 * PAGE; page += PAGE) {
          const [was, is] = [x.get(page) ?? zero, y.get(page) ?? zero];
          for (let k = 0; k < PAGE; k++) if (was[k] !== is[k]) expected.push(`${page + k}: ${was[k]} ${is[k]}`);
        }
        const seen = memory.ranges.flatMap(({ gpa, before, after }) =>
          [...before].flatMap((byte, k) => (byte === after[k] ? [] : [`${gpa + k}: ${byte} ${after[k]}`])),
        );
        expect(memory.bytesChanged).toBe(expected.length);
        expect(seen.join('\n')).toBe(expected.join('\n'));
      }
    }
  });

  it('sums do not depend on the limit, and long ranges keep their start', () => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const full = (value: number) => new Map([0, 2, 4].map((p) => [p * PAGE, new Uint8Array(PAGE).fill(value)]));
    const first = commitMadeUp(store, {}, full(1));
    const second = commitMadeUp(store, {}, full(2));
    using a = store.open(first);
    using b = store.open(second);
    const { memory } = diffCheckpoints(a, b, { limit: 1, keepBytes: 16 });
    expect(memory).toMatchObject({ rangeCount: 3, bytesChanged: 3 * PAGE });
    expect(memory.ranges).toHaveLength(1);
    expect(memory.ranges[0]).toMatchObject({ length: PAGE, before: new Uint8Array(16).fill(1) });
  });
});
