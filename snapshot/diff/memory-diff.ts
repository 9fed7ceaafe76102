/** What differs in memory between two checkpoints: ranges of bytes, named, and sums by name. */
import { integer } from '../show/field.ts';
import type { Checkpoint } from '../store/checkpoint.ts';
import { PAGE_SIZE } from '../store/limits.ts';
import { forEachDifference } from './compare-pages.ts';
import type { PlaceNames, Stretch } from './places.ts';
import type { DiffSymbol } from './symbols.ts';

/** Differing bytes that lie close together. Bytes equal in both may be among them. */
export interface ChangedRange {
  /** Guest-physical address of the first byte. */
  readonly gpa: number;
  readonly length: number;
  /** Bytes in it that really differ. */
  readonly changed: number;
  /** The symbol it lies in, and the linear address of the first byte. */
  readonly symbol?: DiffSymbol;
  readonly linear?: bigint;
  /** Both contents, the first {@link MemoryDiffOptions.keepBytes} bytes of them. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** The whole variable, little-endian, where the symbol is one of 1, 2, 4 or 8 bytes. */
  readonly value?: { readonly before: bigint; readonly after: bigint };
}

/** Sums over everything that changed in one symbol, or outside of symbols in one page region. */
export interface ChangedPlace {
  readonly name: string;
  readonly section?: string;
  /** Where its first change is, guest-physical. */
  readonly gpa: number;
  readonly pages: number;
  readonly bytes: number;
}

export interface MemoryDiff {
  /** Pages that were read, since they could differ; and those that do. */
  readonly pagesCompared: number;
  readonly pagesChanged: number;
  readonly bytesChanged: number;
  /** How many ranges there are; `ranges` holds the first of them. */
  readonly rangeCount: number;
  readonly ranges: readonly ChangedRange[];
  /** Most bytes first. */
  readonly places: readonly ChangedPlace[];
  /** Guest-physical addresses of the changed pages, ascending. */
  readonly pages: readonly number[];
}

export interface MemoryDiffOptions {
  /** Ranges to keep, the lowest addresses first. Default 4096. */
  readonly limit?: number;
  /** Bytes of each range to keep. Default 256. */
  readonly keepBytes?: number;
}

/** Differences closer than this belong to one range. */
const JOIN_WITHIN = 8;
/** Pages that are in memory at once, of each side. */
const BATCH_PAGES = 2048;

/** Compares the pages that can differ. Each is read once, in batches. */
export function diffMemory(
  a: Checkpoint,
  b: Checkpoint,
  names: PlaceNames,
  { limit = 4096, keepBytes = 256 }: MemoryDiffOptions = {},
): MemoryDiff {
  const unlike = b.pagesUnlike(a);
  const batch = Math.min(BATCH_PAGES, unlike.length) * PAGE_SIZE;
  const [before, after] = [new Uint8Array(batch), new Uint8Array(batch)];
  const collector = new RangeCollector(names, limit, keepBytes);
  for (let first = 0; first < unlike.length; first += BATCH_PAGES) {
    const gpas = unlike.slice(first, first + BATCH_PAGES);
    a.readPages(gpas, before);
    b.readPages(gpas, after);
    gpas.forEach((gpa, i) => {
      const [start, end] = [i * PAGE_SIZE, (i + 1) * PAGE_SIZE];
      // One native comparison, since most pages that could differ often do not.
      if (Buffer.compare(before.subarray(start, end), after.subarray(start, end)) !== 0)
        collector.page(gpa, before.subarray(start, end), after.subarray(start, end));
    });
  }
  return { pagesCompared: unlike.length, ...collector.finish() };
}

interface OpenRange {
  readonly gpa: number;
  length: number;
  changed: number;
  readonly symbol: DiffSymbol | undefined;
  readonly linear: bigint | undefined;
  readonly value: ChangedRange['value'];
  readonly before: number[];
  readonly after: number[];
}

/** Joins differing bytes into ranges and counts them by place. */
class RangeCollector {
  readonly #names: PlaceNames;
  readonly #limit: number;
  readonly #keepBytes: number;
  readonly #ranges: ChangedRange[] = [];
  readonly #places = new Map<string, { section?: string; gpa: number; pages: number; bytes: number; last: number }>();
  readonly #pages: number[] = [];
  #open: OpenRange | undefined;
  #rangeCount = 0;
  #bytes = 0;

  constructor(names: PlaceNames, limit: number, keepBytes: number) {
    this.#names = names;
    this.#limit = limit;
    this.#keepBytes = keepBytes;
  }

  page(gpa: number, before: Uint8Array, after: Uint8Array): void {
    this.#pages.push(gpa);
    forEachDifference(before, after, (offset, length) => {
      for (let at = offset; at < offset + length; ) {
        const stretch = this.#names.at(gpa + at);
        const end = Math.min(offset + length, stretch.until - gpa);
        this.#add(gpa, at, end - at, stretch, before, after);
        at = end;
      }
    });
  }

  #add(page: number, at: number, length: number, stretch: Stretch, before: Uint8Array, after: Uint8Array): void {
    const gpa = page + at;
    const { symbol } = stretch;
    this.#bytes += length;
    this.#count(page, gpa, length, symbol);
    if (!this.#joins(page, gpa, symbol)) {
      this.#close();
      const linear = stretch.linear === undefined ? undefined : stretch.linear + BigInt(gpa - stretch.from);
      const value = symbol && linear !== undefined ? variable(symbol, at - Number(linear - symbol.address)) : undefined;
      this.#open = { gpa, length: 0, changed: 0, symbol, linear, value, before: [], after: [] };
    }
    const range = this.#open!;
    if (this.#rangeCount < this.#limit) this.#keep(range, page, gpa + length, before, after);
    range.length = gpa + length - range.gpa;
    range.changed += length;

    /** Reads a variable of machine size that starts at `start` in this page. */
    function variable({ size }: DiffSymbol, start: number): ChangedRange['value'] {
      if (![1, 2, 4, 8].includes(size) || start < 0 || start + size > PAGE_SIZE) return undefined;
      const read = (page: Uint8Array) => integer(page.subarray(start, start + size));
      return { before: read(before), after: read(after) };
    }
  }

  /** Whether a change goes on with the open range. Bytes between them must be of this page: others are not at hand. */
  #joins(page: number, gpa: number, symbol: DiffSymbol | undefined): boolean {
    if (!this.#open || symbol !== this.#open.symbol) return false;
    const end = this.#open.gpa + this.#open.length;
    return gpa === end || (end >= page && gpa - end < JOIN_WITHIN);
  }

  /** Appends the bytes up to `end`, those since the last change that are equal in both included. */
  #keep(range: OpenRange, page: number, end: number, before: Uint8Array, after: Uint8Array): void {
    for (let at = range.gpa + range.before.length; at < end && range.before.length < this.#keepBytes; at++) {
      range.before.push(before[at - page]!);
      range.after.push(after[at - page]!);
    }
  }

  #count(page: number, gpa: number, bytes: number, symbol: DiffSymbol | undefined): void {
    const name = symbol?.name ?? this.#names.region(gpa);
    const section = symbol?.section;
    let sum = this.#places.get(name);
    if (!sum) {
      sum = { gpa, pages: 0, bytes: 0, last: -1, ...(section !== undefined && { section }) };
      this.#places.set(name, sum);
    }
    sum.bytes += bytes;
    if (sum.last !== page) sum.pages++;
    sum.last = page;
  }

  #close(): void {
    if (!this.#open) return;
    const { gpa, length, changed, symbol, linear, value, before, after } = this.#open;
    if (this.#rangeCount++ >= this.#limit) return;
    this.#ranges.push({
      gpa,
      length,
      changed,
      ...(symbol && { symbol }),
      ...(linear !== undefined && { linear }),
      ...(value && { value }),
      before: Uint8Array.from(before),
      after: Uint8Array.from(after),
    });
  }

  finish() {
    this.#close();
    const places = [...this.#places].map(([name, { last: _, ...sum }]) => ({ name, ...sum }));
    return {
      pagesChanged: this.#pages.length,
      bytesChanged: this.#bytes,
      rangeCount: this.#rangeCount,
      ranges: this.#ranges,
      places: places.sort((x, y) => y.bytes - x.bytes || x.gpa - y.gpa),
      pages: this.#pages,
    };
  }
}
