/** Disks in a checkpoint: which pages are theirs, and which blocks its overlays have. */
import { DISK_STRIDE } from '../src/disk/limits.ts';
import { overlayLayout } from '../src/disk/overlay.ts';
import { forEachRun, PAGE_SIZE } from '../src/memory/bitmap.ts';

/** What has pages that can be read: a checkpoint, or a machine that is compared with one. */
export interface PageReader {
  /** Copies the pages at these addresses into `into`, one behind the other; pages that are not there are zero. */
  readPages(gpas: ArrayLike<number>, into: Uint8Array): void;
}

/** Blocks of a disk that follow each other. */
export interface BlockRun {
  readonly first: number;
  readonly count: number;
}

const BITS_PER_PAGE = PAGE_SIZE * 8;

/** Whether a page is of a disk, and not of RAM. */
export const isDiskPage = (gpa: number): boolean => gpa >= DISK_STRIDE;

/** The number of the disk that a page belongs to. */
export const diskOfPage = (gpa: number): number => Math.floor(gpa / DISK_STRIDE) - 1;

/** Words of one of the pages with bitmaps. */
export function bitmapAt(pages: PageReader, gpa: number): Uint32Array {
  const words = new Uint32Array(PAGE_SIZE / 4);
  pages.readPages([gpa], new Uint8Array(words.buffer));
  return words;
}

/** Blocks that the overlay of disk `index` has, ascending; `bytes` is the disk's size. Throws CheckpointError. */
export function presentBlocks(pages: PageReader, index: number, bytes: number): BlockRun[] {
  const { base, blocks, presence, summary } = overlayLayout(index, bytes);
  const runs: BlockRun[] = [];
  forEachRun(bitmapAt(pages, base + summary), (summary - presence) / PAGE_SIZE, (from, count) => {
    for (let page = from; page < from + count; page++) {
      const first = page * BITS_PER_PAGE;
      forEachRun(
        bitmapAt(pages, base + presence + page * PAGE_SIZE),
        Math.min(BITS_PER_PAGE, blocks - first),
        (bit, bits) => runs.push({ first: first + bit, count: bits }),
      );
    }
  });
  return runs;
}
