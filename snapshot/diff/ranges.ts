/** Changed bytes put together to ranges by address and name, and summed up by name. */
import type { PlaceNames, Stretch } from './places.ts';
import type { DiffSymbol } from './symbols.ts';

/** Differing bytes that lie close together. Bytes equal in both may be among them. */
export interface Range {
  /** Guest-physical address of the first byte. */
  readonly gpa: number;
  readonly length: number;
  /** Bytes in it that really differ. */
  readonly changed: number;
  /** The symbol it lies in, and the linear address of the first byte. */
  readonly symbol?: DiffSymbol;
  readonly linear?: bigint;
}

/** Sums over everything that changed in one symbol, or outside of symbols in one region of memory. */
export interface ChangedPlace {
  readonly name: string;
  readonly section?: string;
  /** Where its first change is, guest-physical. */
  readonly gpa: number;
  readonly pages: number;
  readonly bytes: number;
}

/** Differences closer than this, in bytes, belong to one range. */
const JOIN_WITHIN = 8;

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Sum = Writable<ChangedPlace> & { lastPage: number };

/** Takes masks of pages in ascending order. */
export class RangeCollector {
  readonly #names: PlaceNames;
  readonly #limit: number;
  readonly #places = new Map<string | DiffSymbol, Sum>();
  #lastKey: string | DiffSymbol | undefined;
  #lastSum: Sum | undefined;
  /** The first ranges, the last of them possibly still growing. */
  readonly ranges: Writable<Range>[] = [];
  /** Addresses of the pages. */
  readonly pages: number[] = [];
  #end = Number.NEGATIVE_INFINITY;
  #symbol: DiffSymbol | undefined;
  rangeCount = 0;
  bytes = 0;

  /** `limit`: ranges to keep; all are counted. */
  constructor(names: PlaceNames, limit: number) {
    this.#names = names;
    this.#limit = limit;
  }

  /** Adds a page by its mask: non-zero where it changed. */
  add(page: number, mask: Uint8Array): void {
    this.pages.push(page);
    const runs = runsOf(mask);
    for (let i = 0; i < runs.length; i += 2) {
      const end = page + runs[i]! + runs[i + 1]!;
      for (let gpa = page + runs[i]!; gpa < end; ) {
        const stretch = this.#names(gpa);
        const until = Math.min(end, stretch.until);
        this.#addRun(page, gpa, until - gpa, stretch);
        gpa = until;
      }
    }
  }

  /** The sums, most bytes first. */
  places(): ChangedPlace[] {
    const sums = [...this.#places.values()].map(({ lastPage: _, ...sum }) => sum);
    return sums.sort((x, y) => y.bytes - x.bytes || x.gpa - y.gpa);
  }

  #addRun(page: number, gpa: number, length: number, { symbol, linear, from, region }: Stretch): void {
    this.bytes += length;
    this.#count(page, gpa, length, symbol ?? region);
    if (gpa - this.#end >= JOIN_WITHIN || symbol !== this.#symbol || this.rangeCount === 0) {
      if (this.rangeCount++ < this.#limit)
        this.ranges.push({
          gpa,
          length: 0,
          changed: 0,
          ...(symbol && { symbol }),
          ...(linear !== undefined && { linear: linear + BigInt(gpa - from) }),
        });
    }
    this.#end = gpa + length;
    this.#symbol = symbol;
    if (this.rangeCount > this.#limit) return;
    const range = this.ranges.at(-1)!;
    range.length = this.#end - range.gpa;
    range.changed += length;
  }

  #count(page: number, gpa: number, bytes: number, key: DiffSymbol | string): void {
    // Mostly the place is that of the change before.
    let sum = key === this.#lastKey ? this.#lastSum : this.#places.get(key);
    if (!sum) {
      const { name, section } = typeof key === 'string' ? { name: key, section: undefined } : key;
      sum = { name, gpa, pages: 0, bytes: 0, lastPage: -1, ...(section !== undefined && { section }) };
      this.#places.set(key, sum);
    }
    this.#lastKey = key;
    this.#lastSum = sum;
    sum.bytes += bytes;
    if (sum.lastPage !== page) sum.pages++;
    sum.lastPage = page;
  }
}

/**
 * Runs of non-zero bytes, ascending, as pairs of offset and length: [3, 1, 8, 16] for one byte at 3 and 16 from 8 on.
 * The mask starts on a 4-byte boundary of its buffer and has a multiple of 8 bytes; zeros are passed over 8 bytes at a
 * time, as two 32-bit words, which V8 keeps in registers as it does not a bigint.
 */
export function runsOf(mask: Uint8Array): number[] {
  const words = new Int32Array(mask.buffer, mask.byteOffset, mask.length / 4);
  const runs: number[] = [];
  let start = -1;
  for (let i = 0; i < words.length; i += 2) {
    if (start < 0 && (words[i]! | words[i + 1]!) === 0) continue;
    for (let at = i * 4; at < i * 4 + 8; at++) {
      if (mask[at] !== 0 && start < 0) start = at;
      if (mask[at] === 0 && start >= 0) {
        runs.push(start, at - start);
        start = -1;
      }
    }
  }
  if (start >= 0) runs.push(start, mask.length - start);
  return runs;
}
