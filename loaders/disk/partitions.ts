/** The partition table in a disk's first sector (and the GUID partition table behind it: UEFI specification, chapter 5). */
import { SECTOR_BYTES } from '../../src/disk/limits.ts';
import { hasBootSignature } from '../boot-sector.ts';
import { viewOf } from '../bytes.ts';

const TABLE_AT = 446;
const ENTRY_BYTES = 16;
const ENTRIES = 4;
const ACTIVE = 0x80;
/** Type of the one partition of a disk whose real table is a GUID partition table. */
const PROTECTIVE = 0xee;

/** A partition, in sectors. */
export interface Partition {
  readonly type: number;
  readonly sectors: number;
  /** The last sector by head and sector, from which the shape of the disk shows; sectors count from 1. */
  readonly endHead: number;
  readonly endSector: number;
}

/**
 * The partitions; undefined if this is no partition table: each entry is empty or has a flag of 0 or 80h, a type, and
 * sectors behind the first, and one is not empty.
 */
export function partitionsOf(head: Uint8Array): Partition[] | undefined {
  if (!hasBootSignature(head)) return undefined;
  const found: Partition[] = [];
  for (let n = 0; n < ENTRIES; n++) {
    const entry = head.subarray(TABLE_AT + n * ENTRY_BYTES, TABLE_AT + (n + 1) * ENTRY_BYTES);
    if (entry.every((byte) => byte === 0)) continue;
    const view = viewOf(entry);
    const partition = {
      type: entry[4]!,
      endHead: entry[5]!,
      endSector: entry[6]! & 0x3f,
      sectors: view.getUint32(12, true),
    };
    const isFlag = entry[0] === 0 || entry[0] === ACTIVE;
    if (!isFlag || partition.type === 0 || partition.sectors === 0) return undefined;
    found.push(partition);
  }
  return found.length > 0 ? found : undefined;
}

/** Whether the disk has a GUID partition table. */
export function isGpt(head: Uint8Array): boolean {
  const isProtected = partitionsOf(head)?.some(({ type }) => type === PROTECTIVE) ?? false;
  return isProtected && Buffer.from(head.subarray(SECTOR_BYTES, SECTOR_BYTES + 8)).toString('latin1') === 'EFI PART';
}

/** Whether there is code in the first sector. */
export const hasBootCode = (head: Uint8Array): boolean => head.subarray(0, TABLE_AT).some((byte) => byte !== 0);
