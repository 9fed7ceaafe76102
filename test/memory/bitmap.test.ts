import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitmapWords, forEachRun, setBits } from '../../src/memory/bitmap.ts';

type Run = readonly [first: number, count: number];

const bit = (bitmap: Uint32Array, n: number) => (bitmap[n >>> 5]! >>> (n & 31)) & 1;

/** What forEachRun must find, one bit at a time. */
function naiveRuns(bitmap: Uint32Array, pages: number): Run[] {
  const runs: Run[] = [];
  let start = -1;
  for (let page = 0; page <= pages; page++) {
    const set = page < pages && page < bitmap.length * 32 && bit(bitmap, page) === 1;
    if (set && start < 0) start = page;
    if (!set && start >= 0) {
      runs.push([start, page - start]);
      start = -1;
    }
  }
  return runs;
}

function runs(bitmap: Uint32Array, pages: number): Run[] {
  const found: Run[] = [];
  forEachRun(bitmap, pages, (first, count) => found.push([first, count]));
  return found;
}

/** Words as dirty logs have them: empty, full, only the top bit, and anything. */
const word = fc.oneof(
  fc.constantFrom(0, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 1, 0xffff_fffe, 0xffff_0000, 0x0000_ffff),
  fc.nat(0xffff_ffff),
);
const bitmapOf = (words: number[]) => Uint32Array.from(words);
const anyBitmap = fc.array(word, { minLength: 1, maxLength: 12 }).map(bitmapOf);
/** A bitmap and a number of pages that need not end where a word ends, nor reach its end. */
const bitmapAndPages = anyBitmap.chain((bitmap) => fc.tuple(fc.constant(bitmap), fc.nat(bitmap.length * 32 + 40)));

describe('runs of set bits', () => {
  it('are those a loop over single bits finds, whatever the number of pages', () => {
    fc.assert(
      fc.property(bitmapAndPages, ([bitmap, pages]) => {
        expect(runs(bitmap, pages)).toEqual(naiveRuns(bitmap, pages));
      }),
      { numRuns: 2000 },
    );
  });

  it('do not reach past the last page, though the bitmap is rounded up', () => {
    const full = new Uint32Array(4).fill(0xffff_ffff);
    for (const pages of [0, 1, 31, 32, 33, 63, 64, 65, 100, 127, 128]) {
      expect(runs(full, pages)).toEqual(pages === 0 ? [] : [[0, pages]]);
    }
    expect(runs(Uint32Array.of(0xc000_0000, 0x0000_3fff), 40)).toEqual([[30, 10]]);
    expect(runs(Uint32Array.of(0, 0x0000_ff00), 36)).toEqual([]);
  });

  it('see the top bit of a word, alone and at the end of a 64-bit word', () => {
    expect(runs(Uint32Array.of(0x8000_0000), 32)).toEqual([[31, 1]]);
    expect(runs(Uint32Array.of(0, 0x8000_0000), 64)).toEqual([[63, 1]]);
    expect(runs(Uint32Array.of(0x8000_0000, 1), 64)).toEqual([[31, 2]]);
  });

  it('stop at the end of a bitmap that is too short', () => {
    const short = Uint32Array.of(0xffff_ffff);
    expect(runs(short, 32)).toEqual([[0, 32]]);
    expect(runs(short, 1000)).toEqual([[0, 32]]);
  });
});

describe('setting bits', () => {
  it('sets the asked-for ones, keeps the others, and nothing else', () => {
    const range = anyBitmap.chain((bitmap) => {
      const bits = bitmap.length * 32;
      return fc.nat(bits - 1).chain((first) => fc.tuple(fc.constant(bitmap), fc.constant(first), fc.nat(bits - first)));
    });
    fc.assert(
      fc.property(range, ([before, first, count]) => {
        const after = before.slice();
        setBits(after, first, count);
        for (let n = 0; n < after.length * 32; n++) {
          expect(bit(after, n)).toBe(n >= first && n < first + count ? 1 : bit(before, n));
        }
      }),
    );
  });

  it('fills whole words', () => {
    const bitmap = new Uint32Array(4);
    setBits(bitmap, 31, 66);
    expect([...bitmap]).toEqual([0x8000_0000, 0xffff_ffff, 0xffff_ffff, 1]);
  });

  it('past the end is an error, not a lost page', () => {
    expect(() => setBits(new Uint32Array(2), 63, 2)).toThrow(RangeError);
  });
});

describe('the size of a bitmap', () => {
  it('is rounded up to the 64 bits the kernel writes at a time', () => {
    expect([1, 64, 65, 128, 129, 256].map(bitmapWords)).toEqual([2, 2, 4, 4, 6, 8]);
  });
});
