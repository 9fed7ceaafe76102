/**
 * Sets of pages: a bit each, and a second level with a bit for each 1,024 pages of which any may be in the set. Going through
 * a set costs what is in it, and hardly more where it could hold 2^28 pages.
 */
import { bitmapWords, forEachRun, setBits } from './bitmap.ts';

const WORD_BITS = 32;
/** Words of a block; a block has one bit in the second level. */
const BLOCK_WORDS = 32;
const BLOCK_PAGES = BLOCK_WORDS * WORD_BITS;

/** A set of the pages of one region, by number from 0 on. */
export class PageSet {
  /** How many pages there can be. */
  readonly pages: number;
  /** One bit a page, as KVM's bitmaps have it. */
  readonly bits: Uint32Array;
  readonly #marks: Uint32Array;

  /** Over `buffer`, of {@link PageSet.bytes} bytes, which threads may share. Default: an empty set of its own. */
  constructor(pages: number, buffer: ArrayBuffer | SharedArrayBuffer = new ArrayBuffer(PageSet.bytes(pages))) {
    this.pages = pages;
    this.bits = new Uint32Array(buffer, 0, bitmapWords(pages));
    this.#marks = new Uint32Array(buffer, this.bits.length * 4);
  }

  /** Size of a set's memory, in bytes. */
  static bytes(pages: number): number {
    return (bitmapWords(pages) + bitmapWords(Math.ceil(pages / BLOCK_PAGES))) * 4;
  }

  /** What {@link PageSet.bits} and the second level lie in. */
  get buffer(): ArrayBufferLike {
    return this.bits.buffer;
  }

  /** Adds `count` pages from `first` on; any thread may do so. Throws RangeError past the end. */
  add(first: number, count: number): void {
    if (count === 0) return;
    setBits(this.bits, first, count);
    // After the bits: who takes the marks first and then the bits misses none.
    const block = Math.floor(first / BLOCK_PAGES);
    setBits(this.#marks, block, Math.floor((first + count - 1) / BLOCK_PAGES) - block + 1);
  }

  /** Whether a page is in the set. */
  has(page: number): boolean {
    return ((this.bits[Math.floor(page / WORD_BITS)]! >>> (page % WORD_BITS)) & 1) === 1;
  }

  /** False if any page may be in the set. */
  get isEmpty(): boolean {
    for (let w = 0; w < this.#marks.length; w++) if (this.#marks[w] !== 0) return false;
    return true;
  }

  /** How many pages are in the set. */
  get count(): number {
    let total = 0;
    this.forEachRun((_, count) => {
      total += count;
    });
    return total;
  }

  /** Calls `visit(first, count)` for each run of pages, ascending. */
  forEachRun(visit: (first: number, count: number) => void): void {
    this.#forEachBlocks((first, end) => {
      const base = first * WORD_BITS;
      forEachRun(this.bits.subarray(first, end), this.pages - base, (page, count) => visit(base + page, count));
    });
  }

  /** Calls `visit` with the words, from `first` up to `end`, of each run of blocks that are marked. */
  #forEachBlocks(visit: (first: number, end: number) => void): void {
    forEachRun(this.#marks, this.#marks.length * WORD_BITS, (block, count) => {
      visit(block * BLOCK_WORDS, Math.min((block + count) * BLOCK_WORDS, this.bits.length));
    });
  }

  /** Removes all pages. */
  clear(): void {
    this.#forEachBlocks((first, end) => this.bits.fill(0, first, end));
    this.#marks.fill(0);
  }

  /** Adds all pages of a set of the same size. */
  addAll(from: PageSet): void {
    from.#forEachBlocks((first, end) => {
      for (let w = first; w < end; w++) this.bits[w] = this.bits[w]! | from.bits[w]!;
    });
    this.#mark(from.#marks);
  }

  /** Adds all pages of a bitmap, such as KVM's dirty log. */
  addBits(bitmap: Uint32Array): void {
    const words = Math.min(bitmap.length, this.bits.length);
    for (let w = 0; w < words; w++) {
      if (bitmap[w] === 0) continue;
      this.bits[w] = this.bits[w]! | bitmap[w]!;
      const block = Math.floor(w / BLOCK_WORDS);
      this.#marks[block >>> 5] = this.#marks[block >>> 5]! | (1 << (block & 31));
    }
  }

  /** Moves all pages of a set of the same size here; none that another thread adds to it meanwhile is lost. */
  drain(from: PageSet): void {
    for (let m = 0; m < from.#marks.length; m++) {
      if (from.#marks[m] === 0) continue;
      const marks = Atomics.exchange(from.#marks, m, 0);
      this.#marks[m] = this.#marks[m]! | marks;
      for (let left = marks; left !== 0; left &= left - 1)
        this.#drainBlock(from, m * WORD_BITS + (31 - Math.clz32(left & -left)));
    }
  }

  #drainBlock(from: PageSet, block: number): void {
    const end = Math.min((block + 1) * BLOCK_WORDS, this.bits.length);
    for (let w = block * BLOCK_WORDS; w < end; w++)
      if (from.bits[w] !== 0) this.bits[w] = this.bits[w]! | Atomics.exchange(from.bits, w, 0);
  }

  #mark(marks: Uint32Array): void {
    for (let w = 0; w < marks.length; w++) if (marks[w] !== 0) this.#marks[w] = this.#marks[w]! | marks[w]!;
  }
}
