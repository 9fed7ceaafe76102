/** The partition table in a disk's first sector (and the GUID partition table behind it: UEFI specification, chapter 5). */
import { viewOf } from '../bytes.ts';

const SECTOR = 512;
const TABLE_AT = 446;
const ENTRY_BYTES = 16;
const ENTRIES = 4;
const ACTIVE = 0x80;
/** Type of the one partition of a disk whose real table is a GUID partition table. */
const PROTECTIVE = 0xee;

/** A partition, in sectors. */
export interface Partition {
  readonly type: number;
  readonly active: boolean;
  readonly first: number;
  readonly sectors: number;
  /** The last sector by head and sector, from which the shape of the disk shows; sectors count from 1. */
  readonly endHead: number;
  readonly endSector: number;
}

/** Whether the first sector ends as that of a disk that boots. */
export const hasSignature = (head: Uint8Array): boolean =>
  head.length >= SECTOR && head[510] === 0x55 && head[511] === 0xaa;

/**
 * The partitions; undefined if this is no partition table: each entry is empty or has a flag of 0 or 80h, a type, and
 * sectors behind the first, and one is not empty.
 */
export function partitionsOf(head: Uint8Array): Partition[] | undefined {
  if (!hasSignature(head)) return undefined;
  const found: Partition[] = [];
  for (let n = 0; n < ENTRIES; n++) {
    const entry = head.subarray(TABLE_AT + n * ENTRY_BYTES, TABLE_AT + (n + 1) * ENTRY_BYTES);
    if (entry.every((byte) => byte === 0)) continue;
    const view = viewOf(entry);
    const partition = {
      active: entry[0] === ACTIVE,
      type: entry[4]!,
      endHead: entry[5]!,
      endSector: entry[6]! & 0x3f,
      first: view.getUint32(8, true),
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
  return isProtected && Buffer.from(head.subarray(SECTOR, SECTOR + 8)).toString('latin1') === 'EFI PART';
}

/** Whether there is code in the first sector. */
export const hasBootCode = (head: Uint8Array): boolean => head.subarray(0, TABLE_AT).some((byte) => byte !== 0);
