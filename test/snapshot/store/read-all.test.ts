/** Reading a whole checkpoint of the greatest size that the format has, by a chain of which only the numbers exist. */
import { describe, expect, it } from 'vitest';
import { MAX_LIVE_PAGES, MAX_PAGE_NUMBER, PAGE_SIZE } from '../../../snapshot/store/format/limits.ts';
import type { Chain } from '../../../snapshot/store/memory/chain.ts';
import { readChain } from '../../../snapshot/store/memory/read-all.ts';

const FRAME_PAGES = 64;

/** A layer whose stored pages hold their own numbers. */
const layer = {
  map: { framePages: FRAME_PAGES },
  pagesInFrame: () => FRAME_PAGES,
  decode: (frame: number, bytes: Uint8Array) => {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    for (let page = 0; page < FRAME_PAGES; page++) words[(page * PAGE_SIZE) / 4] = frame * FRAME_PAGES + page;
  },
};

/** A chain of that layer alone: which stored page each guest page is. */
const chainOf = (places: ReadonlyMap<number, number>): Chain =>
  ({
    order: [1],
    layer: () => layer,
    index: {
      forEach: (visit: (page: number, slot: number, entry: number) => void) => {
        for (const [guest, stored] of places) visit(guest, 1, stored);
      },
    },
    source: ({ entry }: { entry: number }) => ({ layer, page: entry }),
  }) as unknown as Chain;

function read(places: ReadonlyMap<number, number>): Map<number, number> {
  const found = new Map<number, number>();
  const data = (gpa: number, bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; at += PAGE_SIZE)
      found.set((gpa + at) / PAGE_SIZE, new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true));
  };
  readChain(chainOf(places), { data });
  return found;
}

const ends = (most: number) => [0, 1, most / 2 - 1, most / 2, most / 2 + 1, most - 2, most - 1];
const GUEST_PAGES = [...ends(2 ** 28), 2 ** 28, 2 ** 28 + 1, MAX_PAGE_NUMBER - 2, MAX_PAGE_NUMBER - 1];

describe('a stored page comes to its guest page', () => {
  it.each(ends(MAX_LIVE_PAGES))('stored page %d', (stored) => {
    const places = new Map(GUEST_PAGES.map((guest) => [guest, stored]));
    expect(read(places)).toEqual(places);
  });

  it('in runs that cross the middle and reach the ends', () => {
    const places = new Map<number, number>();
    for (const [guest, stored] of [
      [2 ** 28 - 40, MAX_LIVE_PAGES / 2 - 40],
      [MAX_PAGE_NUMBER - 80, MAX_LIVE_PAGES - 80],
      [0, 0],
    ] as const)
      for (let i = 0; i < 80; i++) places.set(guest + i, stored + i);
    expect(read(places)).toEqual(places);
  });

  it('in runs that end where the next block of pages is not there', () => {
    const places = new Map<number, number>();
    for (let i = 0; i < 80; i++) places.set((i < 40 ? 1024 - 40 : 2 ** 31 - 40) + i, 7 + i);
    expect(read(places)).toEqual(places);
  });
});
