/**
 * Streaming a whole checkpoint: each frame that is needed is decompressed once, in file order, and its pages are
 * handed out in runs as long as they are contiguous both in the frame and in the guest.
 */

import { PAGE_SIZE } from '../format/limits.ts';
import type { OnProgress } from '../store-types.ts';
import { type Chain, xorPages } from './chain.ts';
import type { Layer } from './layer.ts';
import { NumberList } from './layer-writer.ts';

/** Takes the memory of a checkpoint, in no particular order of addresses. */
export interface MemorySink {
  /** Consecutive guest pages from guest-physical address `gpa` on. The bytes are only valid during the call. */
  data(gpa: number, bytes: Uint8Array): void;
  /** `length` zero bytes from `gpa` on. Pages that neither call names are zero as well. */
  zero?(gpa: number, length: number): void;
}

/** A page that is a mask over a stored page. */
interface Masked {
  readonly base: number;
  readonly mask: { readonly layer: Layer; readonly entry: number };
  readonly guestPage: number;
}

/** What is wanted of one layer. */
interface Wanted {
  readonly layer: Layer;
  /** Stored page * SHIFT + guest page. Both are bounded so that this is exact. */
  readonly pages: NumberList;
  readonly masked: Masked[];
}

const SHIFT = 2 ** 28;

/** Hands out the memory of a chain. */
export function readChain(chain: Chain, sink: MemorySink, onProgress?: OnProgress): void {
  const wanted = new Map<Layer, Wanted>(
    chain.order.map((slot) => [chain.layer(slot), { layer: chain.layer(slot), pages: new NumberList(), masked: [] }]),
  );
  const zeros = zeroRuns(sink);
  chain.index.forEach((guestPage, slot, entry) => {
    const source = chain.source({ slot, entry });
    if (!source) zeros.add(guestPage);
    else if (source.delta) wanted.get(source.layer)!.masked.push({ base: source.page, mask: source.delta, guestPage });
    else wanted.get(source.layer)!.pages.push(source.page * SHIFT + guestPage);
  });
  zeros.flush();
  let done = 0;
  const all = [...wanted.values()];
  const total = all.reduce((sum, { pages, masked }) => sum + pages.length + masked.length, 0);
  for (const part of all) {
    readLayer(part, sink, (pages) => {
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
function readLayer({ layer, pages, masked }: Wanted, sink: MemorySink, read: (pages: number) => void): void {
  const { framePages } = layer.map;
  const plain = pages.values().sort();
  masked.sort((a, b) => a.base - b.base);
  const buffer = new Uint8Array(framePages * PAGE_SIZE);
  const scratch = new Uint8Array(PAGE_SIZE);
  const frameOfPlain = (i: number) =>
    i < plain.length ? Math.floor(plain[i]! / SHIFT / framePages) : Number.POSITIVE_INFINITY;
  const frameOfMasked = (i: number) =>
    i < masked.length ? Math.floor(masked[i]!.base / framePages) : Number.POSITIVE_INFINITY;
  for (let i = 0, j = 0; i < plain.length || j < masked.length; ) {
    const frame = Math.min(frameOfPlain(i), frameOfMasked(j));
    const bytes = buffer.subarray(0, layer.pagesInFrame(frame) * PAGE_SIZE);
    layer.decode(frame, bytes);
    const before = i + j;
    while (frameOfPlain(i) === frame) i = handOutRun(plain, i, frame * framePages, bytes, sink);
    for (; frameOfMasked(j) === frame; j++) {
      const { base, mask, guestPage } = masked[j]!;
      const at = (base - frame * framePages) * PAGE_SIZE;
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
  sink: MemorySink,
): number {
  const start = plain[from]!;
  const slot = Math.floor(start / SHIFT) - firstInFrame;
  const room = bytes.length / PAGE_SIZE - slot;
  let count = 1;
  // The next stored page and the next guest page: both parts of the key one higher.
  while (count < room && plain[from + count] === start + count * (SHIFT + 1)) count++;
  sink.data((start % SHIFT) * PAGE_SIZE, bytes.subarray(slot * PAGE_SIZE, (slot + count) * PAGE_SIZE));
  return from + count;
}
