/** Disks: what a PC's BIOS does with one. It loads the first sector, or a CD's boot image, and starts it in real mode. */
import { checkArguments, DISK, WITH_MEMORY_MAP } from '../../src/arguments.ts';
import type { Drive } from '../../src/bios/drives.ts';
import { BOOT_SECTOR } from '../../src/bios/layout.ts';
import { SECTOR_BYTES } from '../../src/disk/limits.ts';
import { started, withBios } from '../bios.ts';
import { hasBootSignature } from '../boot-sector.ts';
import { size as sizeText } from '../bytes.ts';
import { type GuestImage, ignoredNotes, type LoadOptions } from '../image.ts';
import { refusal } from '../refuse.ts';
import { CD_SECTOR, cdBoot, isBootableIso, isIso } from './el-torito.ts';
import { hasBootCode, isGpt, partitionsOf } from './partitions.ts';
import type { ReadableDisk } from './readable.ts';
import { driveOf } from './shape.ts';

const HEAD_BYTES = 2 * SECTOR_BYTES;
/** The number of a CD's drive. */
export const CD_DRIVE = 0xe0;

/** The bytes at a disk's start that say what it is. */
function headOf(disk: ReadableDisk): Uint8Array {
  const head = new Uint8Array(Math.min(HEAD_BYTES, disk.bytes));
  disk.read(0, head);
  return head;
}

/**
 * Whether these are certainly a disk: a CD, or a partition table in the first sector. A boot loader that lies in the first
 * sectors may look like other things, too.
 */
export const isSurelyDisk = (disk: ReadableDisk): boolean => {
  const head = headOf(disk);
  return (disk.bytes > SECTOR_BYTES && partitionsOf(head) !== undefined) || isIso(disk);
};

/** Whether a disk is a CD that boots, which nobody can write. Throws UsageError. */
export function bootsAsCd(disk: ReadableDisk): boolean {
  checkArguments('bootsAsCd', [disk, DISK]);
  return isIso(disk) && isBootableIso(disk);
}

/** Plans a boot from a disk. Throws LoadError DISK for one that cannot boot on a machine with a BIOS. */
export function loadDisk(disk: ReadableDisk, options: LoadOptions): GuestImage {
  checkArguments('loadDisk', [disk, DISK], [options, WITH_MEMORY_MAP]);
  const notes = ignoredNotes(options, 'a disk');
  return bootsAsCd(disk) ? loadCd(disk, notes) : loadFirstSector(disk, notes);
}

function loadCd(disk: ReadableDisk, notes: readonly string[]): GuestImage {
  const { segment, bytes, floppy } = cdBoot(disk);
  const sectors = Math.ceil(disk.bytes / CD_SECTOR);
  const drive: Drive = {
    number: CD_DRIVE,
    kind: 'cd',
    disk: 0,
    sectorBytes: CD_SECTOR,
    sectors,
    cylinders: Math.ceil(sectors / 64),
    heads: 2,
    sectorsPerTrack: 32,
  };
  const at = segment * 16;
  const loaded = Math.ceil(bytes.length / SECTOR_BYTES);
  const first = floppy && {
    ...driveOf(floppy.bytes, bytes),
    emulated: { start: floppy.at / SECTOR_BYTES, segment, loaded },
  };
  const as = floppy ? `, as ${floppy.name}` : '';
  return {
    format: 'disk',
    description: `CD of ${sizeText(disk.bytes)}; ${sizeText(bytes.length)} of it start at 0x${at.toString(16)}${as}`,
    segments: withBios(
      [{ gpa: at, bytes, memSize: bytes.length, name: 'boot image' }],
      [...(first ? [first] : []), drive],
    ),
    entry: started(at, first?.number ?? CD_DRIVE),
    symbols: [],
    notes,
  };
}

function loadFirstSector(disk: ReadableDisk, notes: readonly string[]): GuestImage {
  const head = headOf(disk);
  check(disk, head);
  const drive = driveOf(disk.bytes, head);
  const { cylinders, heads, sectorsPerTrack } = drive;
  const kind = drive.kind === 'floppy' ? 'floppy' : 'hard disk';
  return {
    format: 'disk',
    description: `${kind} of ${sizeText(disk.bytes)}, ${cylinders} cylinders, ${heads} heads, ${sectorsPerTrack} sectors`,
    segments: withBios(
      [{ gpa: BOOT_SECTOR, bytes: head.subarray(0, SECTOR_BYTES), memSize: SECTOR_BYTES, name: 'first sector' }],
      [drive],
    ),
    entry: started(BOOT_SECTOR, drive.number),
    symbols: [],
    notes,
  };
}

/** A first sector as a BIOS needs it. */
function check(disk: ReadableDisk, head: Uint8Array): void {
  if (isIso(disk) && !hasBootSignature(head))
    throw refusal('DISK', {
      field: 'disk: ISO 9660',
      found: 'a CD without a boot record',
      expected: 'one with an El Torito boot catalog',
      cure: 'make it bootable (xorriso -as mkisofs -b IMAGE -no-emul-boot), or give the kernel inside it',
    });
  if (!hasBootSignature(head))
    throw refusal('DISK', {
      field: 'disk: first sector',
      at: 510,
      found: 'no signature',
      expected: 'bytes 55 aa at 510',
      cure: 'install a boot loader on the disk (grub-install, extlinux), or give the kernel inside it',
    });
  if (!hasBootCode(head))
    throw refusal('DISK', {
      field: isGpt(head) ? 'disk: GUID partition table' : 'disk: first sector',
      found: 'no code in the first sector',
      expected: 'a boot loader for a BIOS',
      cure: 'install one (grub-install --target=i386-pc), or give the kernel inside it: this machine has no UEFI firmware',
    });
}
