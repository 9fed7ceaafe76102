/** What differs in memory between two checkpoints: ranges of bytes, named, and sums by name. */
import { isDiskPage } from '../disk-blocks.ts';
import { integer } from '../show/field.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import { xorPages } from '../store/memory/chain.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { DiffTarget } from './diff-target.ts';
import type { PlaceNames } from './places.ts';
import { type ChangedPlace, type Range, RangeCollector } from './ranges.ts';

/** A range and what is in it. */
export interface ChangedRange extends Range {
  /** Both contents, the first {@link MemoryDiffOptions.keepBytes} bytes of them. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** The whole variable, little-endian, where the symbol is one of 1, 2, 4 or 8 bytes. */
  readonly value?: { readonly before: bigint; readonly after: bigint };
}

export interface MemoryDiff {
  /** Pages that could differ, and those that do. */
  readonly pagesCompared: number;
  readonly pagesChanged: number;
  readonly bytesChanged: number;
  /** How many ranges there are; `ranges` holds the first of them, ascending. */
  readonly rangeCount: number;
  readonly ranges: readonly ChangedRange[];
  /** Most bytes first. */
  readonly places: readonly ChangedPlace[];
  /** Guest-physical addresses of the changed pages, ascending. */
  readonly pages: readonly number[];
}

export interface MemoryDiffOptions {
  /** Ranges to keep, the lowest addresses first. Default 4096. Contents are read for these only. */
  readonly limit?: number;
  /** Bytes of each range to keep. Default 256. */
  readonly keepBytes?: number;
}

/** Compares the pages that can differ. */
export function diffMemory(
  a: Checkpoint,
  b: DiffTarget,
  names: PlaceNames,
  { limit = 4096, keepBytes = 256 }: MemoryDiffOptions = {},
): MemoryDiff {
  const found = new RangeCollector(names, limit);
  const pagesCompared = forEachChangedPage(a, b, (gpa, mask) => found.add(gpa, mask));
  return {
    pagesCompared,
    pagesChanged: found.pages.length,
    bytesChanged: found.bytes,
    rangeCount: found.rangeCount,
    ranges: withContents(a, b, found.ranges, keepBytes),
    places: found.places(),
    pages: found.pages,
  };
}

/** Reads what the ranges hold. */
function withContents(a: Checkpoint, b: DiffTarget, ranges: readonly Range[], keepBytes: number): ChangedRange[] {
  const [before, after] = [readerOf(a), readerOf(b)];
  return ranges.map((range) => {
    const [shown, variable] = partsOf(range, keepBytes);
    const value = variable && { before: integer(before(variable)), after: integer(after(variable)) };
    return { ...range, before: before(shown), after: after(shown), ...(value && { value }) };
  });
}

interface Part {
  readonly gpa: number;
  readonly length: number;
}

/** What to read for a range: its beginning, and the variable it lies in where that is known to be one. */
function partsOf({ gpa, length, symbol, linear }: Range, keepBytes: number): [Part, Part?] {
  const shown = { gpa, length: Math.min(length, keepBytes) };
  if (!symbol || linear === undefined || ![1, 2, 4, 8].includes(symbol.size)) return [shown];
  const variable = { gpa: gpa - Number(linear - symbol.address), length: symbol.size };
  // What lies across a page border need not be in one piece.
  const inOnePage = (variable.gpa % PAGE_SIZE) + variable.length <= PAGE_SIZE;
  return inOnePage && variable.gpa >= 0 ? [shown, variable] : [shown];
}

/** Reads parts of a checkpoint; the page read last is kept, for the next part is mostly in it. */
function readerOf(checkpoint: DiffTarget): (part: Part) => Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE);
  let held = -1;
  return ({ gpa, length }) => {
    const out = new Uint8Array(length);
    for (let page = gpa - (gpa % PAGE_SIZE); page < gpa + length; page += PAGE_SIZE) {
      if (page !== held) checkpoint.readPages([page], bytes);
      held = page;
      const start = Math.max(gpa, page);
      const end = Math.min(gpa + length, page + PAGE_SIZE);
      out.set(bytes.subarray(start - page, end - page), start - gpa);
    }
    return out;
  };
}

/** Called for each page that differs, ascending: its address, and before XOR after, valid during the call. */
type OnPage = (gpa: number, mask: Uint8Array) => void;

const ZEROS = new Uint8Array(PAGE_SIZE);

/**
 * Finds the pages that differ among those that can. Where both checkpoints keep a page as differences from the same
 * stored page, which is how a child keeps most of what it changed, only those are read. Returns how many pages were
 * compared.
 */
function forEachChangedPage(a: Checkpoint, b: DiffTarget, onPage: OnPage): number {
  const unlike = b.pagesUnlike(a).filter((gpa) => !isDiskPage(gpa));
  const mask = new Uint8Array(PAGE_SIZE);
  const after = new Uint8Array(PAGE_SIZE);
  for (const gpa of unlike) {
    if (!b.xorWith(a, gpa, mask)) {
      a.readPages([gpa], mask);
      b.readPages([gpa], after);
      xorPages(mask, after, mask);
    }
    if (Buffer.compare(mask, ZEROS) !== 0) onPage(gpa, mask);
  }
  return unlike.length;
}
