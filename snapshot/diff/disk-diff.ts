/** What differs on disks between two checkpoints: blocks of 4 KiB, by disk. */
import { DISK_STRIDE } from '../../src/disk/limits.ts';
import { overlayLayout } from '../../src/disk/overlay-layout.ts';
import { forEachRun, PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { bitmapAt, diskOfPage, isDiskPage } from '../disk-blocks.ts';
import type { MachineDescription } from '../machine-description.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { DiffTarget } from './diff-target.ts';

/** A stretch of a disk that differs. Bytes; whole blocks. */
export interface DiskRange {
  readonly offset: number;
  readonly length: number;
}

/** What differs on one disk. */
export interface DiskDiff {
  readonly disk: number;
  readonly blocksChanged: number;
  /** How many ranges there are; `ranges` holds the first of them, ascending. */
  readonly rangeCount: number;
  readonly ranges: readonly DiskRange[];
}

/** Compares the disks. A block that only one side has in its overlay differs. Disks without a difference are left out. */
export function diffDisks(a: Checkpoint, b: DiffTarget, { disks = [] }: MachineDescription, limit: number): DiskDiff[] {
  const changed = disks.map(() => new Set<number>());
  const [before, after] = [new Uint8Array(PAGE_SIZE), new Uint8Array(PAGE_SIZE)];
  for (const gpa of b.pagesUnlike(a)) {
    const index = isDiskPage(gpa) ? diskOfPage(gpa) : -1;
    const disk = disks[index];
    if (!disk) continue;
    const { presence, summary } = overlayLayout(index, disk.bytes);
    const offset = gpa - (index + 1) * DISK_STRIDE;
    if (offset < presence) {
      a.readPages([gpa], before);
      b.readPages([gpa], after);
      if (Buffer.compare(before, after) !== 0) changed[index]!.add(offset / PAGE_SIZE);
    } else if (offset < summary) {
      const [x, y] = [bitmapAt(a, gpa), bitmapAt(b, gpa)];
      const first = ((offset - presence) / PAGE_SIZE) * PAGE_SIZE * 8;
      forEachRun(
        x.map((word, i) => word ^ y[i]!),
        PAGE_SIZE * 8,
        (bit, count) => {
          for (let block = bit; block < bit + count; block++) changed[index]!.add(first + block);
        },
      );
    }
  }
  return changed.flatMap((blocks, disk) => (blocks.size === 0 ? [] : [summed(disk, blocks, limit)]));
}

function summed(disk: number, blocks: ReadonlySet<number>, limit: number): DiskDiff {
  const ranges: { offset: number; length: number }[] = [];
  for (const block of [...blocks].sort((x, y) => x - y)) {
    const last = ranges.at(-1);
    if (last && last.offset + last.length === block * PAGE_SIZE) last.length += PAGE_SIZE;
    else ranges.push({ offset: block * PAGE_SIZE, length: PAGE_SIZE });
  }
  return { disk, blocksChanged: blocks.size, rangeCount: ranges.length, ranges: ranges.slice(0, limit) };
}
