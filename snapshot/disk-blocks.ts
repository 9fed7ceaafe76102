/** Disks in a checkpoint: which pages are theirs, and which blocks its overlays have. */
import { DISK_STRIDE } from '../src/disk/limits.ts';
import { eachPresent, overlayLayout } from '../src/disk/overlay-layout.ts';
import { PAGE_SIZE } from '../src/memory/bitmap.ts';

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
  const layout = overlayLayout(index, bytes);
  const at = (offset: number) => bitmapAt(pages, layout.base + offset);
  const runs: BlockRun[] = [];
  eachPresent(
    layout,
    at(layout.summary),
    (page) => at(layout.presence + page * PAGE_SIZE),
    (first, count) => runs.push({ first, count }),
  );
  return runs;
}
