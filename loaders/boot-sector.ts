/** Boot sectors: the 512 bytes a PC BIOS loads at 0x7c00 and starts in real mode, with the drive number in dl. */
import { BOOT_SECTOR } from '../src/bios/layout.ts';
import { started, withBios } from './bios.ts';
import { hex, viewOf } from './bytes.ts';
import { type GuestImage, ignoredNotes, type LoadOptions } from './image.ts';
import { refusal } from './refuse.ts';

/** Bytes of a boot sector. */
export const BOOT_SECTOR_BYTES = 512;
const SECTOR = BOOT_SECTOR_BYTES;
const FIRST_HARD_DISK = 0x80;

/** True when the first sector ends in 55 aa, as a PC BIOS requires. */
export function hasBootSignature(bytes: Uint8Array): boolean {
  return bytes.length >= SECTOR && bytes[510] === 0x55 && bytes[511] === 0xaa;
}

/** Plans a boot sector: 512 bytes at 0x7c00, real mode, dl = first hard disk. Throws LoadError BOOT_SECTOR. */
export function loadBootSector(bytes: Uint8Array, options: LoadOptions): GuestImage {
  if (!hasBootSignature(bytes))
    throw refusal('BOOT_SECTOR', {
      field: 'boot sector: signature',
      at: 510,
      found: bytes.length < SECTOR ? `a file of ${bytes.length} bytes` : hex(viewOf(bytes).getUint16(510, true)),
      expected: 'bytes 55 aa at 510',
      cure: 'end the sector with .org 510; .word 0xaa55, or load it with --format flat --load 0x7c00',
    });
  const notes = ignoredNotes(options, 'a boot sector');
  if (bytes.length > SECTOR)
    notes.push(
      `only the first ${SECTOR} of ${bytes.length} bytes are loaded, and there is no disk: --format disk boots it from one`,
    );
  return {
    format: 'boot-sector',
    description: 'boot sector at 0x7c00',
    segments: withBios(
      [{ gpa: BOOT_SECTOR, bytes: bytes.subarray(0, SECTOR), memSize: SECTOR, name: 'boot sector' }],
      [],
    ),
    entry: started(BOOT_SECTOR, FIRST_HARD_DISK),
    symbols: [],
    notes,
  };
}
