/** A checkpoint, opened for reading. It stays readable even if its blobs are removed meanwhile. */

import { type Digest, storeError } from '../format/digest.ts';
import type { CheckpointConfig, CheckpointInfo, Descriptor } from '../format/documents.ts';
import { PAGE_SIZE } from '../format/limits.ts';
import type { OnProgress } from '../store-types.ts';
import { type Chain, readSource, type Source, xorPages } from './chain.ts';
import { type MemorySink, readChain } from './read-all.ts';

/** Where a page's bytes are. `mask`: they are the XOR of the stored page with that delta. */
export interface PagePlace {
  readonly gpa: number;
  readonly kind: 'zero' | 'stored' | 'delta';
  /** Layer, frame in it and page in the frame; absent for zero pages. */
  readonly layer?: Digest;
  readonly frame?: number;
  readonly slot?: number;
  readonly mask?: { readonly layer: Digest; readonly frame: number; readonly slot: number };
}

/**
 * A checkpoint that is open for reading: its description, and its memory page by page. `Store.open` gives one.
 *
 * @example
 * ```ts
 * import { openStore } from 'vmlapse';
 *
 * using store = openStore('lab', { readOnly: true });
 * using checkpoint = store.open('latest');
 * const [first] = checkpoint.pages();
 * const page = new Uint8Array(4096);
 * checkpoint.readPages([first!.gpa], page);
 * console.log(checkpoint.info.label, first!.gpa, page.length);
 * ```
 */
export class Checkpoint implements Disposable {
  readonly digest: Digest;
  readonly info: CheckpointInfo;
  readonly config: CheckpointConfig;
  /** Folder of its store. */
  readonly directory: string;
  readonly #openChain: () => Chain;
  #opened: Chain | undefined;
  #isDisposed = false;

  constructor(
    { digest, info, config, directory }: Pick<Checkpoint, 'digest' | 'info' | 'config' | 'directory'>,
    chain: Chain | (() => Chain),
  ) {
    this.digest = digest;
    this.info = info;
    this.config = config;
    this.directory = directory;
    this.#openChain = typeof chain === 'function' ? chain : () => chain;
    if (typeof chain !== 'function') this.#opened = chain;
  }

  get #chain(): Chain {
    if (this.#isDisposed) throw storeError('CLOSED', `${this.digest} was used after it was disposed of`);
    this.#opened ??= this.#openChain();
    return this.#opened;
  }

  /** The layers that hold its memory, oldest first. */
  get layers(): readonly Descriptor[] {
    return this.#chain.order.map((slot) => this.#chain.layer(slot).descriptor);
  }

  /** Every page that the checkpoint has recorded, ascending by address. All others are zero. */
  pages(): PagePlace[] {
    const places: PagePlace[] = [];
    this.forEachPage((place) => places.push(place));
    return places;
  }

  /** Calls `visit` for each of {@link Checkpoint.pages}, of which there may be too many for a list. */
  forEachPage(visit: (place: PagePlace) => void): void {
    this.#chain.index.forEach((page, slot, entry) => {
      visit(describe(page * PAGE_SIZE, this.#chain.source({ slot, entry })));
    });
  }

  /** Addresses of the pages that the newest layers have recorded: of as many whole layers as have at most `most`. Ascending. */
  lastPages(most: number): number[] {
    const { index, order } = this.#chain;
    const counts = new Map<number, number>();
    index.forEach((_, slot) => {
      counts.set(slot, (counts.get(slot) ?? 0) + 1);
    });
    const newest = new Set<number>();
    let total = 0;
    for (const slot of order.toReversed()) {
      total += counts.get(slot) ?? 0;
      if (total > most) break;
      newest.add(slot);
    }
    const pages: number[] = [];
    index.forEach((page, slot) => {
      if (newest.has(slot)) pages.push(page * PAGE_SIZE);
    });
    return pages;
  }

  /** Where one page is. */
  place(gpa: number): PagePlace {
    return describe(gpa, this.#source(gpa));
  }

  /**
   * Copies the pages at the guest-physical addresses `gpas` into `into`, one behind the other. Only the frames that
   * hold them are read. Throws CheckpointError CORRUPT or INVALID.
   */
  readPages(gpas: ArrayLike<number>, into: Uint8Array): void {
    if (into.length < gpas.length * PAGE_SIZE)
      throw storeError(
        'INVALID',
        `${gpas.length} pages do not fit ${into.length} bytes — give ${gpas.length * PAGE_SIZE}`,
      );
    const order = Array.from(gpas, (gpa, i) => ({ i, source: this.#source(gpa) }));
    order.sort(
      (a, b) => (a.source?.layer.id ?? 0) - (b.source?.layer.id ?? 0) || (a.source?.page ?? 0) - (b.source?.page ?? 0),
    );
    for (const { i, source } of order) readSource(source, into.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE));
  }

  /** Hands out all memory: every frame that is needed is decompressed once. Zero pages do not count as progress. */
  readAll(sink: MemorySink, onProgress?: OnProgress): void {
    readChain(this.#chain, sink, onProgress);
  }

  /** True where both checkpoints hold a page in the same place, so that it is surely equal. */
  samePage(other: Checkpoint, gpa: number): boolean {
    return sameSource(this.#source(gpa), other.#source(gpa));
  }

  /** Guest-physical addresses of the pages that may differ from another checkpoint's, ascending. No page is read. */
  pagesUnlike(other: Checkpoint): number[] {
    const unlike: number[] = [];
    const [mine, theirs] = [this.#chain, other.#chain];
    const slots = new Map(theirs.order.map((slot) => [theirs.layer(slot).descriptor.digest, slot]));
    // A slot without a twin gets a number that no slot has.
    const twins = new Uint32Array(Math.max(0, ...mine.order) + 1).fill(0xffff_ffff, 1);
    for (const slot of mine.order) twins[slot] = slots.get(mine.layer(slot).descriptor.digest) ?? 0xffff_ffff;
    mine.index.forEachUnlike(theirs.index, twins, (page) => {
      const [source, target] = [mine.source(mine.index.get(page)), theirs.source(theirs.index.get(page))];
      if (!sameSource(source, target)) unlike.push(page * PAGE_SIZE);
    });
    return unlike;
  }

  /**
   * Where both checkpoints hold a page as differences from one stored page, or one of them holds zeros, fills `out`
   * with the XOR of the two contents, reading only what differs, and returns true. Otherwise returns false.
   */
  xorWith(other: Checkpoint, gpa: number, out: Uint8Array): boolean {
    const [a, b] = [this.#source(gpa), other.#source(gpa)];
    if (!a) readSource(b, out);
    else if (!b) readSource(a, out);
    else if (a.page !== b.page || a.layer.descriptor.digest !== b.layer.descriptor.digest) return false;
    else {
      const [x, y] = [a.delta?.layer.page(a.delta.entry), b.delta?.layer.page(b.delta.entry)];
      if (x && y) xorPages(x, y, out);
      else if (x ?? y) out.set((x ?? y)!);
      else out.fill(0);
    }
    return true;
  }

  /** Frees what was read of the layers. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#opened?.[Symbol.dispose]();
  }

  #source(gpa: number): Source {
    if (gpa % PAGE_SIZE !== 0 || !Number.isSafeInteger(gpa) || gpa < 0)
      throw storeError(
        'INVALID',
        `0x${gpa.toString(16)} is not the address of a page — round it down to ${PAGE_SIZE} bytes`,
      );
    return this.#chain.source(this.#chain.index.get(gpa / PAGE_SIZE));
  }
}

function describe(gpa: number, source: Source): PagePlace {
  if (!source) return { gpa, kind: 'zero' };
  const { layer, page, delta } = source;
  const stored = { gpa, layer: layer.descriptor.digest, ...layer.locate(page) };
  if (!delta) return { ...stored, kind: 'stored' };
  const mask = { layer: delta.layer.descriptor.digest, ...delta.layer.locate(delta.entry) };
  return { ...stored, kind: 'delta', mask };
}

function sameSource(a: Source, b: Source): boolean {
  if (!a || !b) return a === b;
  if (a.page !== b.page || a.layer.descriptor.digest !== b.layer.descriptor.digest) return false;
  if (!a.delta || !b.delta) return a.delta === b.delta;
  return a.delta.entry === b.delta.entry && a.delta.layer.descriptor.digest === b.delta.layer.descriptor.digest;
}
