/**
 * Streaming a whole checkpoint: each frame that is needed is decompressed once, in file order, and its pages are
 * handed out in runs as long as they are contiguous both in the frame and in the guest.
 */

import { PAGE_SIZE } from '../format/limits.ts';
import type { OnProgress } from '../store-types.ts';
import { type Chain, xorPages } from './chain.ts';
import type { Layer } from './layer.ts';
import { NumberList } from './layer-writer.ts';
import { BLOCK_PAGES } from './page-index.ts';

/** Takes the memory of a checkpoint, in no particular order of addresses. */
export interface MemorySink {
  /** Consecutive guest pages from guest-physical address `gpa` on. The bytes are only valid during the call. */
  data(gpa: number, bytes: Uint8Array): void;
  /** `length` zero bytes from `gpa` on. Pages that neither call names are zero as well. */
  zero?(gpa: number, length: number): void;
}

/** What is wanted of one layer, as keys of a stored page and a guest page. */
interface Wanted {
  readonly layer: Layer;
  readonly pages: NumberList;
  /** Pages that are a mask over a stored page of this layer. */
  readonly masked: NumberList;
}

/** More than the pages of all blocks of a chain's index: a key orders by stored page and then by guest page. */
const SHIFT = 2 ** 26;

/**
 * Guest pages by where they come in the index: with a number that is small and ascends as they do, a double holds every
 * key exactly.
 */
class GuestPages {
  /** The first page of each block of the index, in the order of the blocks. */
  readonly #blocks: number[] = [];

  /** The number of a page. Pages are given ascending. */
  add(page: number): number {
    const first = page - (page % BLOCK_PAGES);
    if (this.#blocks.at(-1) !== first) this.#blocks.push(first);
    return (this.#blocks.length - 1) * BLOCK_PAGES + (page - first);
  }

  /** The page of a number. */
  at(number: number): number {
    return this.#blocks[Math.floor(number / BLOCK_PAGES)]! + (number % BLOCK_PAGES);
  }
}

const keyOf = (stored: number, guest: number) => stored * SHIFT + guest;
const storedOf = (key: number) => Math.floor(key / SHIFT);
const guestOf = (key: number) => key % SHIFT;

/** Hands out the memory of a chain. */
export function readChain(chain: Chain, sink: MemorySink, onProgress?: OnProgress): void {
  const wanted = new Map<Layer, Wanted>(
    chain.order.map((slot) => {
      const layer = chain.layer(slot);
      return [layer, { layer, pages: new NumberList(), masked: new NumberList() }];
    }),
  );
  const zeros = zeroRuns(sink);
  const guests = new GuestPages();
  chain.index.forEach((guestPage, slot, entry) => {
    const source = chain.source({ slot, entry });
    if (!source) zeros.add(guestPage);
    else {
      const { pages, masked } = wanted.get(source.layer)!;
      (source.delta ? masked : pages).push(keyOf(source.page, guests.add(guestPage)));
    }
  });
  zeros.flush();
  let done = 0;
  const all = [...wanted.values()];
  const total = all.reduce((sum, { pages, masked }) => sum + pages.length + masked.length, 0);
  for (const part of all) {
    readLayer(chain, part, guests, sink, (pages) => {
      done += pages;
      onProgress?.(done * PAGE_SIZE, total * PAGE_SIZE);
    });
  }
}

function zeroRuns(sink: MemorySink) {
  let first = 0;
  let count = 0;
  const flush = () => {
    if (count > 0) sink.zero?.(first * PAGE_SIZE, count * PAGE_SIZE);
    count = 0;
  };
  const add = (page: number) => {
    if (count > 0 && page === first + count) {
      count++;
      return;
    }
    flush();
    first = page;
    count = 1;
  };
  return { add, flush };
}

/** `read` is called for each frame, with the pages that were handed out of it. */
function readLayer(
  chain: Chain,
  wanted: Wanted,
  guests: GuestPages,
  sink: MemorySink,
  read: (pages: number) => void,
): void {
  const { layer } = wanted;
  const { framePages } = layer.map;
  const plain = wanted.pages.values().sort();
  const masked = wanted.masked.values().sort();
  const buffer = new Uint8Array(framePages * PAGE_SIZE);
  const scratch = new Uint8Array(PAGE_SIZE);
  const frameOf = (keys: Float64Array, i: number) =>
    i < keys.length ? Math.floor(storedOf(keys[i]!) / framePages) : Number.POSITIVE_INFINITY;
  for (let i = 0, j = 0; i < plain.length || j < masked.length; ) {
    const frame = Math.min(frameOf(plain, i), frameOf(masked, j));
    const bytes = buffer.subarray(0, layer.pagesInFrame(frame) * PAGE_SIZE);
    layer.decode(frame, bytes);
    const before = i + j;
    while (frameOf(plain, i) === frame) i = handOutRun(plain, i, frame * framePages, bytes, guests, sink);
    for (; frameOf(masked, j) === frame; j++) {
      const guestPage = guests.at(guestOf(masked[j]!));
      const mask = chain.source(chain.index.get(guestPage))!.delta!;
      const at = (storedOf(masked[j]!) - frame * framePages) * PAGE_SIZE;
      xorPages(bytes.subarray(at, at + PAGE_SIZE), mask.layer.page(mask.entry), scratch);
      sink.data(guestPage * PAGE_SIZE, scratch);
    }
    read(i + j - before);
  }
}

/** Hands out the longest run from `from` on that lies in one frame; returns the index behind it. */
function handOutRun(
  plain: Float64Array,
  from: number,
  firstInFrame: number,
  bytes: Uint8Array,
  guests: GuestPages,
  sink: MemorySink,
): number {
  const start = plain[from]!;
  const slot = storedOf(start) - firstInFrame;
  const room = bytes.length / PAGE_SIZE - slot;
  const guest = guests.at(guestOf(start));
  let count = 1;
  // The next stored page and the next guest page: both parts of the key one higher, unless the guest's block has ended.
  while (
    count < room &&
    plain[from + count] === start + count * (SHIFT + 1) &&
    guests.at(guestOf(plain[from + count]!)) === guest + count
  )
    count++;
  sink.data(guest * PAGE_SIZE, bytes.subarray(slot * PAGE_SIZE, (slot + count) * PAGE_SIZE));
  return from + count;
}
