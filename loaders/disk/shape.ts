/** The drive that a disk image is, and its shape in cylinders, heads and sectors. */
import type { Drive } from '../../src/bios/drives.ts';
import { SECTOR_BYTES } from '../../src/disk/limits.ts';
import { partitionsOf } from './partitions.ts';

const KIB = 1024;

/** Floppies by size: KiB, cylinders, heads, sectors a track. */
const FLOPPIES: readonly (readonly [kib: number, cylinders: number, heads: number, sectors: number])[] = [
  [160, 40, 1, 8],
  [180, 40, 1, 9],
  [320, 40, 2, 8],
  [360, 40, 2, 9],
  [720, 80, 2, 9],
  [1200, 80, 2, 15],
  [1440, 80, 2, 18],
  [1680, 80, 2, 21],
  [2880, 80, 2, 36],
];

const FIRST_FLOPPY = 0x00;
const FIRST_HARD_DISK = 0x80;
const HARD_DISK_SECTORS = 63;
const MOST_HEADS = 255;
const MOST_CYLINDERS = 1024;

/** The drive of a disk that is no CD. `head`: the first sector, which may have a partition table. */
export function driveOf(bytes: number, head: Uint8Array): Drive {
  const sectors = Math.ceil(bytes / SECTOR_BYTES);
  const common = { disk: 0, sectorBytes: SECTOR_BYTES, sectors };
  const floppy = FLOPPIES.find(([kib]) => kib * KIB === bytes);
  if (floppy) {
    const [, cylinders, heads, sectorsPerTrack] = floppy;
    return { ...common, number: FIRST_FLOPPY, kind: 'floppy', cylinders, heads, sectorsPerTrack };
  }
  const { heads, sectorsPerTrack } = partitionedShape(head) ?? usualShape(sectors);
  const cylinders = Math.max(1, Math.floor(sectors / (heads * sectorsPerTrack)));
  return { ...common, number: FIRST_HARD_DISK, kind: 'hard-disk', cylinders, heads, sectorsPerTrack };
}

/** Who made the partitions had a shape in mind, which their ends show. */
function partitionedShape(head: Uint8Array): { heads: number; sectorsPerTrack: number } | undefined {
  const shapes = (partitionsOf(head) ?? []).map(({ endHead, endSector }) => ({
    heads: endHead + 1,
    sectorsPerTrack: endSector,
  }));
  const [first] = shapes;
  if (!first || first.sectorsPerTrack === 0 || first.heads < 2 || first.heads > MOST_HEADS) return undefined;
  const agree = shapes.every((s) => s.heads === first.heads && s.sectorsPerTrack === first.sectorsPerTrack);
  return agree ? first : undefined;
}

/** As firmware has it: 63 sectors, and the fewest heads with which the cylinders fit into ten bits. */
function usualShape(sectors: number): { heads: number; sectorsPerTrack: number } {
  const tracks = sectors / HARD_DISK_SECTORS;
  const heads = [16, 32, 64, 128].find((count) => tracks / count <= MOST_CYLINDERS) ?? MOST_HEADS;
  return { heads, sectorsPerTrack: HARD_DISK_SECTORS };
}
