/**
 * One pass over the pages of a commit, in ascending order: each is found zero, unchanged, equal to another, close to
 * what it was, or new; and pages of absorbed layers are carried over.
 */
import { RUN_WORDS, ZERO_ENTRY } from '../format/layer-map.ts';
import { PAGE_SIZE } from '../format/limits.ts';
import type { OnProgress, PageRun } from '../store-types.ts';
import { type Chain, xorPages } from './chain.ts';
import { type LayerWriter, type NewEntry, NumberList, pageCrc } from './layer-writer.ts';
import type { Place } from './page-index.ts';

/** How the pages of a commit fared. `absorbed` pages were not given but carried over from layers taken up. */
export interface PageCounts {
  /** Pages that differ from the parent's. */
  pages: number;
  zero: number;
  /** Stored anew, whole. */
  stored: number;
  deltas: number;
  /** Equal to a page of this commit, or of an earlier layer. */
  duplicates: number;
  /** Given, but equal to the parent's. */
  unchanged: number;
  absorbed: number;
}

/** What a pass works on. */
interface PassInput {
  readonly runs: readonly PageRun[];
  /** The parent's memory; empty for a first checkpoint. */
  readonly chain: Chain;
  /** The parent has pages, so what is not given stays as it is. */
  readonly incremental: boolean;
  /** Slots of the chain whose pages move into the new layer. */
  readonly absorbed: ReadonlySet<number>;
  /** Stored pages of the chain by CRC, owned by layer id. */
  readonly known: PageFinder;
  readonly writer: LayerWriter;
  /** Whether a changed page may be stored as what changed in it. */
  readonly deltas: boolean;
  readonly onProgress: OnProgress | undefined;
}

const ZERO_PAGE = new Uint8Array(PAGE_SIZE);
const ZERO: NewEntry = { kind: 'zero' };
/** Progress is reported once for so many pages: each MiB. */
const PROGRESS_PAGES = 256;
/** Owner, in the finder of this commit's pages. */
const HERE = 1;

/** True for a page of zeros. */
function isZeroPage(page: Uint8Array): boolean {
  return page[0] === 0 && Buffer.compare(page, ZERO_PAGE) === 0;
}

/** Runs the pass: records every page in the writer and returns the counts. */
export function encodePages(input: PassInput): PageCounts {
  const pass = new PagePass(input);
  const carried = absorbedPages(input);
  const given = input.runs.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const passed = pageCounter(given + carried.length * PAGE_SIZE, input.onProgress);
  let next = 0;
  const carry = () => {
    pass.carry(carried[next++]!);
    passed();
  };
  for (const [run, { gpa, bytes }] of input.runs.entries()) {
    const first = gpa / PAGE_SIZE;
    for (let i = 0; i < bytes.length / PAGE_SIZE; i++) {
      while (next < carried.length && carried[next]! < first + i) carry();
      const changed = pass.take(first + i, run, i);
      passed();
      if (carried[next] !== first + i) continue;
      if (changed) next++;
      else carry();
    }
  }
  while (next < carried.length) carry();
  return pass.counts;
}

/** Returns a function to be called for each page, which reports progress. */
function pageCounter(total: number, onProgress: OnProgress | undefined): () => void {
  let pages = 0;
  return () => {
    if (++pages % PROGRESS_PAGES === 0) onProgress?.(pages * PAGE_SIZE, total);
  };
}

/** Guest pages recorded by the absorbed layers and not since overridden, ascending. */
function absorbedPages({ chain, absorbed }: PassInput): Float64Array {
  const pages = new NumberList();
  for (const slot of absorbed) {
    const { runs } = chain.layer(slot).map;
    for (let i = 0; i < runs.length; i += RUN_WORDS)
      chain.index.forEachOf(slot, runs[i]!, runs[i + 1]!, (page) => pages.push(page));
  }
  return pages.values().sort();
}

class PagePass {
  readonly counts: PageCounts = { pages: 0, zero: 0, stored: 0, deltas: 0, duplicates: 0, unchanged: 0, absorbed: 0 };
  readonly #input: PassInput;
  readonly #here = new PageFinder(() => true);
  /** For each stored page of this commit: the index of its run and its page there; run -1 for carried ones. */
  readonly #origins = new NumberList();
  /** What stored pages of absorbed layers have become, by layer id and number. */
  readonly #moved = new Map<string, NewEntry>();
  readonly #scratch = new Uint8Array(PAGE_SIZE);
  readonly #absorbedLayers: ReadonlySet<number>;
  readonly #keptLayers: ReadonlyMap<number, number>;

  constructor(input: PassInput) {
    this.#input = input;
    const { chain, absorbed } = input;
    this.#absorbedLayers = new Set([...absorbed].map((slot) => chain.layer(slot).id));
    const kept = chain.order.filter((slot) => !absorbed.has(slot));
    this.#keptLayers = new Map(kept.map((slot) => [chain.layer(slot).id, slot]));
  }

  /** Takes a page that was given; false where it is what the parent has. */
  take(page: number, run: number, pageInRun: number): boolean {
    const { chain, writer, incremental } = this.#input;
    const bytes = this.#given(run, pageInRun);
    const before = chain.index.get(page);
    if (isZeroPage(bytes)) {
      if (incremental && (!before || before.entry === ZERO_ENTRY)) return this.#unchanged();
      this.counts.pages++;
      this.counts.zero++;
      writer.record(page, ZERO);
      return true;
    }
    const crc = pageCrc(bytes);
    if (before && this.#equalsParent(before, crc, bytes)) return this.#unchanged();
    this.counts.pages++;
    writer.record(page, this.#place(bytes, crc, before) ?? this.#store(bytes, crc, run, pageInRun));
    return true;
  }

  #given(run: number, pageInRun: number): Uint8Array {
    return this.#input.runs[run]!.bytes.subarray(pageInRun * PAGE_SIZE, (pageInRun + 1) * PAGE_SIZE);
  }

  #unchanged(): false {
    this.counts.unchanged++;
    return false;
  }

  #equalsParent(before: Place, crc: number, bytes: Uint8Array): boolean {
    const source = this.#input.chain.source(before);
    if (!source) return false;
    if (!source.delta && (source.layer.map.crc[source.page] ?? crc) !== crc) return false;
    this.#input.chain.read(before, this.#scratch);
    return Buffer.compare(this.#scratch, bytes) === 0;
  }

  #place(bytes: Uint8Array, crc: number, before: Place | undefined): NewEntry | undefined {
    const same = this.#findEqual(bytes, crc);
    if (same) this.counts.duplicates++;
    return same ?? (before && this.#input.deltas ? this.#tryDelta(bytes, before) : undefined);
  }

  #store(bytes: Uint8Array, crc: number, run: number, pageInRun: number): NewEntry {
    this.counts.stored++;
    const number = this.#input.writer.addStored(bytes, crc);
    this.#origins.push(run);
    this.#origins.push(pageInRun);
    this.#here.put(crc, HERE, number);
    return { kind: 'stored', number };
  }

  #findEqual(bytes: Uint8Array, crc: number): NewEntry | undefined {
    const here = this.#here.find(crc);
    if (here) {
      const candidate = this.#given(this.#origins.at(here.page * 2), this.#origins.at(here.page * 2 + 1));
      if (Buffer.compare(candidate, bytes) === 0) return { kind: 'stored', number: here.page };
    }
    const known = this.#input.known.find(crc);
    const slot = known && this.#keptLayers.get(known.owner);
    if (!known || slot === undefined) return undefined;
    const layer = this.#input.chain.layer(slot);
    if (Buffer.compare(layer.page(known.page), bytes) !== 0) return undefined;
    return { kind: 'reference', number: this.#input.writer.addReference({ layer, page: known.page }) };
  }

  #tryDelta(bytes: Uint8Array, before: Place): NewEntry | undefined {
    const base = this.#input.chain.source(before);
    if (!base || this.#absorbedLayers.has(base.layer.id)) return undefined;
    xorPages(bytes, base.layer.page(base.page), this.#scratch);
    if (!deltaPays(this.#scratch, bytes)) return undefined;
    this.counts.deltas++;
    return { kind: 'delta', number: this.#input.writer.addDelta(this.#scratch, base) };
  }

  /** Carries over a page of an absorbed layer as it is. */
  carry(page: number): void {
    const { chain, writer } = this.#input;
    const place = chain.index.get(page);
    const source = chain.source(place);
    this.counts.absorbed++;
    if (!place || !source) {
      writer.record(page, ZERO);
      return;
    }
    const holder = source.delta ?? { layer: source.layer, entry: source.page };
    const key = `${holder.layer.id}/${holder.entry}`;
    let entry = this.#moved.get(key);
    if (!entry) {
      entry = this.#carryOver(place);
      this.#moved.set(key, entry);
    }
    writer.record(page, entry);
  }

  #carryOver(place: Place): NewEntry {
    const { chain, writer } = this.#input;
    const source = chain.source(place)!;
    const baseStays = !this.#absorbedLayers.has(source.layer.id);
    if (baseStays && source.delta) {
      const mask = source.delta.layer.page(source.delta.entry);
      return { kind: 'delta', number: writer.addDelta(mask, source) };
    }
    if (baseStays) return { kind: 'reference', number: writer.addReference(source) };
    chain.read(place, this.#scratch);
    this.#origins.push(-1);
    this.#origins.push(-1);
    return { kind: 'stored', number: writer.addStored(this.#scratch, pageCrc(this.#scratch)) };
  }
}

/**
 * Changed 32-bit words up to which a delta is taken. A page that changes a little at every checkpoint drifts past it in
 * the end and is stored whole: that costs once, and the deltas after it are small again.
 */
const FEW = 96;

/** True where the XOR `mask` is likely to take much less room than the page: few words, and few of those in use. */
function deltaPays(mask: Uint8Array, page: Uint8Array): boolean {
  const changed = wordsSet(mask, FEW + 1);
  return changed <= FEW && changed * 2 <= wordsSet(page, FEW * 2);
}

/** Number of words that are not zero, counted up to `limit`. */
function wordsSet(page: Uint8Array, limit: number): number {
  if (page.byteOffset % 4 !== 0) return wordsSet(page.slice(), limit);
  const words = new Uint32Array(page.buffer, page.byteOffset, PAGE_SIZE / 4);
  let set = 0;
  for (let i = 0; i < words.length && set < limit; i++) if (words[i] !== 0) set++;
  return set;
}

/**
 * Finds pages by their CRC-32: a hash table in typed arrays, 16 bytes a slot. What it finds must still be compared.
 */
export class PageFinder {
  readonly #alive: (owner: number) => boolean;
  #crc = new Uint32Array(1024);
  #owner = new Float64Array(1024);
  #page = new Uint32Array(1024);
  #used = 0;

  /** Pages of owners that are not `alive` are forgotten when room is needed. */
  constructor(alive: (owner: number) => boolean) {
    this.#alive = alive;
  }

  /** The latest page put under a CRC: who has it (never 0) and its number there; undefined where there is none. */
  find(crc: number): { owner: number; page: number } | undefined {
    const i = this.#slot(crc);
    return this.#owner[i] === 0 ? undefined : { owner: this.#owner[i]!, page: this.#page[i]! };
  }

  /** Puts a page under its CRC, in place of any other. */
  put(crc: number, owner: number, page: number): void {
    if (this.#used * 2 >= this.#crc.length) this.#makeRoom();
    const i = this.#slot(crc);
    if (this.#owner[i] === 0) this.#used++;
    this.#crc[i] = crc;
    this.#owner[i] = owner;
    this.#page[i] = page;
  }

  #slot(crc: number): number {
    const mask = this.#crc.length - 1;
    let i = Math.imul(crc, 0x9e37_79b1) & mask;
    while (this.#owner[i] !== 0 && this.#crc[i] !== crc) i = (i + 1) & mask;
    return i;
  }

  #makeRoom(): void {
    const [crcs, owners, pages] = [this.#crc, this.#owner, this.#page];
    const kept = owners.reduce((count, owner) => count + (owner !== 0 && this.#alive(owner) ? 1 : 0), 0);
    const size = kept * 4 > owners.length ? owners.length * 2 : owners.length;
    this.#crc = new Uint32Array(size);
    this.#owner = new Float64Array(size);
    this.#page = new Uint32Array(size);
    this.#used = 0;
    for (const [i, owner] of owners.entries())
      if (owner !== 0 && this.#alive(owner)) this.put(crcs[i]!, owner, pages[i]!);
  }
}
