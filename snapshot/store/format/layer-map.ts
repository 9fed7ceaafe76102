/**
 * The page map of a layer: what each of its frames is, and what it says of which guest page. It travels in a skippable
 * frame at the end of the layer.
 *
 * A layer's pages are numbered: 0 … stored-1 are the pages in its data frames, in file order (so `zstd -d` yields
 * page n at byte n * 4096); then come deltas, numbered on, each the XOR of a page with a stored page of an earlier
 * layer; then references, which name a stored page of an earlier layer outright. A run says that `count` guest pages
 * from `page` on are the entries from `entry` on, or all zero.
 *
 * Integers are LEB128, signed ones zigzag; runs and targets are coded as differences from their predecessors.
 */
import { type ByteReader, ByteWriter } from './bytes.ts';
import { corrupt } from './digest.ts';
import { MAX_FRAME_PAGES, MAX_LIVE_PAGES, MAX_PAGE_NUMBER, MAX_RAM_PAGE } from './limits.ts';

/** In a run: its pages are zero. */
export const ZERO_ENTRY = 0xffff_ffff;

/** Words per run in {@link LayerMap.runs}. */
export const RUN_WORDS = 3;

/** A decoded map. All counts are of pages. */
export interface LayerMap {
  /** Pages per frame; only the last data frame and the last delta frame may hold fewer. */
  readonly framePages: number;
  readonly stored: number;
  readonly deltas: number;
  readonly references: number;
  /** sha256 of the layers that deltas and references point into, raw, 32 bytes each. */
  readonly bases: readonly Uint8Array[];
  /** Compressed bytes of each frame: data frames, then delta frames. */
  readonly frameBytes: Uint32Array;
  /** sha256 of each compressed frame, 32 bytes each. */
  readonly frameHashes: Uint8Array;
  /**
   * CRC-32 of each stored page, or empty: a hint for finding equal pages, never a proof. Layers of pages that compress
   * to almost nothing go without.
   */
  readonly crc: Uint32Array;
  /** For each delta, then each reference: index into `bases`, and the number of the stored page there. */
  readonly targetBase: Uint8Array;
  readonly targetPage: Uint32Array;
  /** Triples (page, count, entry), ascending by guest page number, without overlap. */
  readonly runs: Uint32Array;
}

const MAGIC = 0x504d4d56; // "VMMP"
/** Versions, and below what all pages of their runs lie. The first that will do is written: earlier releases read 1. */
const PAGES_BELOW: ReadonlyMap<number, number> = new Map([
  [1, MAX_RAM_PAGE],
  [2, MAX_PAGE_NUMBER],
]);

/** Number of data frames of a map. */
export function dataFrames(map: Pick<LayerMap, 'stored' | 'framePages'>): number {
  return Math.ceil(map.stored / map.framePages);
}

/** Encodes a map. */
export function encodeMap(map: LayerMap): Uint8Array {
  const out = new ByteWriter();
  out.u32(MAGIC);
  const { stored, deltas, references, bases, frameBytes, runs } = map;
  const end = runs.length === 0 ? 0 : runs.at(-3)! + runs.at(-2)!;
  const version = end <= MAX_RAM_PAGE ? 1 : 2;
  for (const count of [version, map.framePages, stored, deltas, references, bases.length, runs.length / RUN_WORDS])
    out.varint(count);
  for (const base of bases) out.bytes(base);
  for (const length of frameBytes) out.varint(length);
  out.bytes(map.frameHashes);
  out.varint(map.crc.length > 0 ? 1 : 0);
  for (const crc of map.crc) out.u32(crc);
  let previous = 0;
  for (const [i, page] of map.targetPage.entries()) {
    out.varint(map.targetBase[i]!);
    out.signed(page - previous);
    previous = page + 1;
  }
  let expectedPage = 0;
  let expectedEntry = 0;
  for (let i = 0; i < runs.length; i += RUN_WORDS) {
    const [page, count, entry] = [runs[i]!, runs[i + 1]!, runs[i + 2]!];
    const zero = entry === ZERO_ENTRY;
    out.varint(page - expectedPage);
    out.varint(count * 2 + (zero ? 1 : 0));
    if (!zero) {
      out.signed(entry - expectedEntry);
      expectedEntry = entry + count;
    }
    expectedPage = page + count;
  }
  return out.finish();
}

/** Decodes and checks a map; `where` names the layer in errors. Allocates at most a few times the bytes given. */
export function decodeMap(reader: ByteReader, where: string): LayerMap {
  const bad = (what: string) => corrupt(where, `page map: ${what}`);
  const check = (good: boolean, what: string) => {
    if (!good) throw bad(what);
  };
  check(reader.u32() === MAGIC, 'does not start with its magic number');
  const version = reader.varint();
  const pagesBelow = PAGES_BELOW.get(version);
  if (pagesBelow === undefined)
    throw bad(`is of version ${version}; this program reads versions ${[...PAGES_BELOW.keys()].join(' and ')}`);
  const [framePages, stored, deltas, references, baseCount, runCount] = [0, 0, 0, 0, 0, 0].map(() => reader.varint());
  check(framePages! >= 1 && framePages! <= MAX_FRAME_PAGES, `frames of ${framePages} pages`);
  const entries = stored! + deltas! + references!;
  check(entries <= MAX_LIVE_PAGES, `${entries} entries`);
  check(baseCount! < 256, `${baseCount} base layers`);
  check(baseCount! > 0 || deltas! + references! === 0, 'has deltas or references but names no base layer');

  const bases = Array.from({ length: reader.count(baseCount!, 32) }, () => reader.bytes(32));
  const frames = Math.ceil(stored! / framePages!) + Math.ceil(deltas! / framePages!);
  const frameBytes = new Uint32Array(reader.count(frames, 33));
  for (let i = 0; i < frames; i++) frameBytes[i] = reader.u32Varint();
  const frameHashes = reader.bytes(frames * 32);
  const crcBytes = reader.count(reader.varint() === 0 ? 0 : stored!, 4) * 4;
  const crc = new Uint32Array(new Uint8Array(reader.bytes(crcBytes)).buffer);

  const targetBase = new Uint8Array(reader.count(deltas! + references!, 2));
  const targetPage = new Uint32Array(targetBase.length);
  let previous = 0;
  for (let i = 0; i < targetBase.length; i++) {
    const base = reader.varint();
    const page = previous + reader.signed();
    if (base >= baseCount!) throw bad(`entry rests on base layer ${base} of ${baseCount}`);
    if (page < 0 || page >= MAX_LIVE_PAGES) throw bad(`entry rests on page ${page}`);
    targetBase[i] = base;
    targetPage[i] = page;
    previous = page + 1;
  }

  const runs = new Uint32Array(reader.count(runCount!, 2) * RUN_WORDS);
  let expectedPage = 0;
  let expectedEntry = 0;
  let live = 0;
  for (let i = 0; i < runs.length; i += RUN_WORDS) {
    const page = expectedPage + reader.varint();
    const coded = reader.varint();
    const count = Math.floor(coded / 2);
    if (count < 1 || page + count > pagesBelow) throw bad(`a run of ${count} pages from page ${page} on`);
    let entry = ZERO_ENTRY;
    if (coded % 2 === 0) {
      entry = expectedEntry + reader.signed();
      if (entry < 0 || entry + count > entries) throw bad(`a run names entries ${entry}+${count} of ${entries}`);
      expectedEntry = entry + count;
      live += count;
      if (live > MAX_LIVE_PAGES) throw bad(`more than ${MAX_LIVE_PAGES} pages with content`);
    }
    runs[i] = page;
    runs[i + 1] = count;
    runs[i + 2] = entry;
    expectedPage = page + count;
  }
  check(reader.atEnd, 'has bytes behind its end');
  return {
    framePages: framePages!,
    stored: stored!,
    deltas: deltas!,
    references: references!,
    bases,
    frameBytes,
    frameHashes,
    crc,
    targetBase,
    targetPage,
    runs,
  };
}
