/** Bootable CDs: the boot catalog of an ISO 9660 image ("El Torito" Bootable CD-ROM Format Specification 1.0). */

import { viewOf } from '../bytes.ts';
import { refusal } from '../refuse.ts';
import type { ReadableDisk } from './readable.ts';

/** Bytes of a sector of a CD. */
export const CD_SECTOR = 2048;
const PRIMARY_DESCRIPTOR = 16;
const BOOT_RECORD = 17;
const SYSTEM = 'EL TORITO SPECIFICATION';
const CATALOG_POINTER = 0x47;
const BOOTABLE = 0x88;
const X86 = 0x00;
const USUAL_SEGMENT = 0x7c0;
const VIRTUAL_SECTOR = 512;
const MOST_BYTES = 512 * 1024;
/** Sectors of a floppy that are loaded, usually one. */
const MOST_OF_FLOPPY = 255;
const EMULATIONS = ['none', 'a floppy of 1.2 MB', 'a floppy of 1.44 MB', 'a floppy of 2.88 MB', 'a hard disk'];
/** Bytes of a floppy by the emulation; 0: there is none. */
const FLOPPY_BYTES = [0, 1200 * 1024, 1440 * 1024, 2880 * 1024];

/** What a CD boots: bytes to load, and the segment where they go. */
export interface CdBoot {
  readonly segment: number;
  readonly bytes: Uint8Array;
  /** The floppy that the boot image is. */
  readonly floppy?: {
    readonly name: string;
    /** Where it is on the CD, and how long. */
    readonly at: number;
    readonly bytes: number;
  };
}

function sector(disk: ReadableDisk, number: number): Uint8Array {
  const bytes = new Uint8Array(CD_SECTOR);
  const at = number * CD_SECTOR;
  if (at < disk.bytes) disk.read(at, bytes.subarray(0, disk.bytes - at));
  return bytes;
}

const textAt = (bytes: Uint8Array, at: number, length: number) =>
  Buffer.from(bytes.subarray(at, at + length)).toString('latin1');

/** Whether the disk is an ISO 9660 image. */
export const isIso = (disk: ReadableDisk): boolean => textAt(sector(disk, PRIMARY_DESCRIPTOR), 1, 5) === 'CD001';

/** Whether that has a boot record. */
export const isBootableIso = (disk: ReadableDisk): boolean =>
  textAt(sector(disk, BOOT_RECORD), 7, SYSTEM.length) === SYSTEM;

/** What the CD boots, by itself or as a floppy. Throws LoadError DISK where it boots otherwise, or not. */
export function cdBoot(disk: ReadableDisk): CdBoot {
  const at = viewOf(sector(disk, BOOT_RECORD)).getUint32(CATALOG_POINTER, true);
  const catalog = sector(disk, at);
  const entry = catalog.subarray(32, 64);
  const view = viewOf(entry);
  const fact = (field: string, found: string, expected: string) =>
    refusal('DISK', { field: `El Torito: ${field}`, at: at * CD_SECTOR, found, expected, cure: CURE });
  if (catalog[0] !== 1 || catalog[30] !== 0x55 || catalog[31] !== 0xaa)
    throw fact('catalog', 'no validation entry', 'one that begins with 1 and ends with 55 aa');
  if (catalog[1] !== X86) throw fact('platform', `${catalog[1]}`, '0 (x86 BIOS)');
  if (entry[0] !== BOOTABLE) throw fact('first entry', 'not bootable', 'a bootable one');
  const emulation = entry[1]! & 0x0f;
  const name = EMULATIONS[emulation] ?? `${emulation}`;
  const floppyBytes = FLOPPY_BYTES[emulation];
  if (floppyBytes === undefined) throw fact('emulation', name, 'none, or a floppy');
  const sectors = Math.max(1, view.getUint16(6, true));
  if (floppyBytes > 0 && sectors > MOST_OF_FLOPPY)
    throw fact('sectors to load', `${sectors} of a floppy`, `at most ${MOST_OF_FLOPPY}`);
  const count = sectors * VIRTUAL_SECTOR;
  const from = view.getUint32(8, true) * CD_SECTOR;
  const end = from + Math.max(VIRTUAL_SECTOR, floppyBytes);
  if (end > disk.bytes)
    throw fact('image', `${end - from} bytes at byte ${from}`, `inside the file, which has ${disk.bytes}`);
  const bytes = new Uint8Array(Math.min(count, MOST_BYTES, disk.bytes - from));
  disk.read(from, bytes);
  const segment = view.getUint16(2, true) || USUAL_SEGMENT;
  return { segment, bytes, ...(floppyBytes > 0 && { floppy: { name, at: from, bytes: floppyBytes } }) };
}

const CURE =
  'make the CD with the image of a floppy, or with a boot image without emulation (xorriso -as mkisofs -no-emul-boot), or give its kernel';
