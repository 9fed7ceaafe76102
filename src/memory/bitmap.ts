/**
 * Page bitmaps as KVM writes them: one bit a page, least significant bit first, in little-endian words
 * (KVM_GET_DIRTY_LOG). Kept as 32-bit words: scanning them as floating-point numbers would lose a word with only its
 * top bit set, which reads as -0.
 */

export { PAGE_SIZE } from '../abi/numbers.ts';

const WORD_BITS = 32;

/** Words needed for `pages` bits, rounded up to the 64-bit granularity of the kernel's bitmaps. */
export const bitmapWords = (pages: number): number => Math.ceil(pages / 64) * 2;

/** Calls `visit(first, count)` for each run of set bits below `pages`, ascending. Bits past the end are ignored. */
export function forEachRun(bitmap: Uint32Array, pages: number, visit: (first: number, count: number) => void): void {
  let start = -1;
  const words = Math.min(bitmap.length, Math.ceil(pages / WORD_BITS));
  for (let w = 0; w < words; w++) {
    const base = w * WORD_BITS;
    let word = bitmap[w]!;
    if (base + WORD_BITS > pages) word = (word & ((1 << (pages - base)) - 1)) >>> 0;
    if (word === 0) {
      if (start >= 0) visit(start, base - start);
      start = -1;
      continue;
    }
    if (word === 0xffff_ffff) {
      if (start < 0) start = base;
      continue;
    }
    if (start >= 0) {
      const ones = trailingZeros(~word);
      visit(start, base + ones - start);
      start = -1;
      word = clearBelow(word, ones);
    }
    while (word !== 0) {
      const first = trailingZeros(word);
      const count = trailingZeros(~(word >>> first));
      if (first + count >= WORD_BITS) {
        start = base + first;
        break;
      }
      visit(base + first, count);
      word = clearBelow(word, first + count);
    }
  }
  if (start >= 0) visit(start, Math.min(words * WORD_BITS, pages) - start);
}

const trailingZeros = (word: number): number => (word === 0 ? WORD_BITS : 31 - Math.clz32(word & -word));

const clearBelow = (word: number, bit: number): number => (bit >= WORD_BITS ? 0 : ((word >>> bit) << bit) >>> 0);

/** Sets `count` bits from `first`; atomic per word, so that threads may mark at once. */
export function setBits(bitmap: Uint32Array, first: number, count: number): void {
  for (let at = first; at < first + count; ) {
    const bit = at % WORD_BITS;
    const span = Math.min(WORD_BITS - bit, first + count - at);
    const mask = span === WORD_BITS ? -1 : ((1 << span) - 1) << bit;
    Atomics.or(bitmap, Math.floor(at / WORD_BITS), mask >>> 0);
    at += span;
  }
}
