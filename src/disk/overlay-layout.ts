/**
 * Where the blocks of an overlay lie:
 *
 *   base         + data      + presence               + summary
 *   | a page for each block  | a bit for each block   | a bit for each page of the presence bitmap |
 *
 * A block counts only if its presence bit is set, and that only if the summary bit of its page is: which blocks there are
 * costs what there is, not what the disk could hold. A block that is not present has a page of zeros.
 */
import { forEachRun } from '../memory/bitmap.ts';
import { BASE_BLOCK_BYTES as BLOCK, DISK_STRIDE } from './limits.ts';

/** Bits of a page of the two bitmaps. */
export const BITS_PER_PAGE = BLOCK * 8;

/** Where the parts of an overlay are, by byte offset in its memory. */
export interface OverlayLayout {
  readonly base: number;
  readonly blocks: number;
  readonly presence: number;
  readonly summary: number;
  /** All of it. */
  readonly bytes: number;
}

/** The overlay of disk `index` of a machine, for a disk of `bytes` bytes. */
export function overlayLayout(index: number, bytes: number): OverlayLayout {
  const blocks = Math.ceil(bytes / BLOCK);
  const presence = blocks * BLOCK;
  const summary = presence + Math.ceil(blocks / BITS_PER_PAGE) * BLOCK;
  return { base: (index + 1) * DISK_STRIDE, blocks, presence, summary, bytes: summary + BLOCK };
}

/**
 * Calls `visit` for each run of blocks that are present, ascending. `summary` is the page of that bitmap, and `presence`
 * gives the words of one of the other's by its number.
 */
export function eachPresent(
  { blocks, ...layout }: OverlayLayout,
  summary: Uint32Array,
  presence: (page: number) => Uint32Array,
  visit: (first: number, count: number) => void,
): void {
  forEachRun(summary, (layout.summary - layout.presence) / BLOCK, (from, pages) => {
    for (let page = from; page < from + pages; page++) {
      const first = page * BITS_PER_PAGE;
      const bits = Math.min(BITS_PER_PAGE, blocks - first);
      forEachRun(presence(page), bits, (bit, count) => visit(first + bit, count));
    }
  });
}
