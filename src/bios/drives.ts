/** The drives that the BIOS has: a table in the extended data area, so that they stay the same whatever a guest writes. */
import { struct } from '../abi/struct.ts';
import { u8, u16, u32 } from '../abi/types.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import { EBDA } from './layout.ts';

/** What a drive is. */
export type DriveKind = 'floppy' | 'hard-disk' | 'cd';

/** What a drive is that lies on another one: a floppy's image on a CD (El Torito, 3.0). */
export interface Emulated {
  /** Sector of 512 bytes of the disk where it begins. */
  readonly start: number;
  /** Segment to which so many sectors of it were loaded to be started, at most 255. */
  readonly segment: number;
  readonly loaded: number;
}

/** A drive: its number, and its shape. */
export interface Drive {
  /** As a program gives it in DL: floppies from 0, hard disks from 0x80, a CD 0xe0. */
  readonly number: number;
  readonly kind: DriveKind;
  /** Number of the disk among those of the machine. */
  readonly disk: number;
  /** Bytes of a sector: 512, or 2048. */
  readonly sectorBytes: number;
  readonly sectors: number;
  /** Shape for programs that count in cylinders: heads and sectors a track, from 1. */
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  readonly emulated?: Emulated;
}

const KINDS: readonly DriveKind[] = ['floppy', 'hard-disk', 'cd'];

const Entry = struct('bios_drive', 24, {
  number: [0, u8],
  kind: [1, u8],
  disk: [2, u8],
  heads: [3, u8],
  sectors_per_track: [4, u8],
  loaded: [5, u8], // 0: no emulated drive
  sector_bytes: [6, u16],
  cylinders: [8, u32],
  start: [12, u32],
  sectors: [16, u32], // of 512 bytes: 2 TiB, twice the largest disk
  segment: [20, u16],
});

/** The table: how many drives there are, and an entry for each. */
export function driveTable(drives: readonly Drive[]): Uint8Array {
  const bytes = new Uint8Array(ENTRIES_AT + drives.length * Entry.size);
  bytes[0] = drives.length;
  drives.forEach((drive, i) => {
    Object.assign(Entry.over(bytes, ENTRIES_AT + i * Entry.size), {
      number: drive.number,
      kind: KINDS.indexOf(drive.kind),
      disk: drive.disk,
      heads: drive.heads & 0xff,
      sectors_per_track: drive.sectorsPerTrack,
      sector_bytes: drive.sectorBytes,
      cylinders: drive.cylinders,
      sectors: drive.sectors,
      ...drive.emulated,
    });
  });
  return bytes;
}

const ENTRIES_AT = 8;
const MOST_DRIVES = 8;

/** The drives in guest memory. What a guest may have made of the table is a drive that reads nothing, at worst. */
export function drivesOf(memory: GuestMemory): Drive[] {
  const count = Math.min(memory.read(EBDA.DRIVES, 1)[0]!, MOST_DRIVES);
  const bytes = memory.read(EBDA.DRIVES + ENTRIES_AT, count * Entry.size);
  return Array.from({ length: count }, (_, i) => {
    const entry = Entry.over(bytes, i * Entry.size);
    return {
      number: entry.number,
      kind: KINDS[entry.kind] ?? 'hard-disk',
      disk: entry.disk,
      sectorBytes: entry.sector_bytes || 512,
      sectors: entry.sectors,
      cylinders: entry.cylinders,
      heads: entry.heads || 256,
      sectorsPerTrack: entry.sectors_per_track || 1,
      ...(entry.loaded > 0 && { emulated: { start: entry.start, segment: entry.segment, loaded: entry.loaded } }),
    };
  });
}
