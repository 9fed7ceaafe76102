/** Images without structure: boot sectors, ROMs and flat binaries. What they lack, the user or a convention says. */
import { alignUp, FOUR_GIB, hex, KIB, MAX_PHYSICAL, MIB, PAGE, size as sizeText, viewOf } from './bytes.ts';
import { entryAt } from './entry.ts';
import type { GuestImage, LoadOptions, Segment } from './image.ts';
import { refusal } from './refuse.ts';

const SECTOR = 512;
const BOOT_ADDRESS = 0x7c00;
const FIRST_HARD_DISK = 0x80n;

/** True when the first sector ends in 55 aa, as a PC BIOS demands. */
export function hasBootSignature(bytes: Uint8Array): boolean {
  return bytes.length >= SECTOR && bytes[510] === 0x55 && bytes[511] === 0xaa;
}

function ignoredNotes(options: LoadOptions, what: string): string[] {
  return options.cmdline || options.modules?.length
    ? [`command line and modules ignored: ${what} has no way to take them`]
    : [];
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
      `only the first ${SECTOR} of ${bytes.length} bytes are loaded: the guest has no BIOS to read more from a disk`,
    );
  return {
    format: 'boot-sector',
    description: 'boot sector at 0x7c00',
    segments: [{ gpa: BOOT_ADDRESS, bytes: bytes.subarray(0, SECTOR), memSize: SECTOR, name: 'boot sector' }],
    entry: { ...entryAt('real', BOOT_ADDRESS), regs: { rdx: FIRST_HARD_DISK } },
    symbols: [],
    notes,
  };
}

/** Plans a flat binary: any address, any mode. Throws LoadError FLAT or OPTION. */
export function loadFlat(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const mode = options.mode ?? 'real';
  const gpa = options.load ?? (mode === 'real' ? BOOT_ADDRESS : MIB);
  if (gpa + bytes.length > MAX_PHYSICAL)
    throw refusal('OPTION', {
      field: 'load address',
      found: gpa,
      expected: 'an image that ends below 2^52',
      cure: 'choose another --load',
    });
  const entry = options.entry ?? gpa;
  return {
    format: 'flat',
    description: `flat binary, ${sizeText(bytes.length)} at ${hex(gpa)}, ${mode} mode`,
    segments: [{ gpa, bytes, memSize: bytes.length, name: 'flat binary' }],
    entry: entryAt(mode, entry),
    symbols: [],
    notes: ignoredNotes(options, 'a flat binary'),
  };
}

const ROM_MAX = 16 * MIB;
const ROM_COPY = 128 * KIB;
/** The reset vector is 16 bytes before 4 GiB (SDM volume 3, section 10.1.4). */
const RESET_VECTOR = { selector: 0xf000, base: 0xffff_0000, ip: 0xfff0n } as const;

/**
 * Strong evidence of a PC firmware ROM: a power of two from 64 KiB to 16 MiB whose reset vector holds a far or near
 * jump, behind at most a few one-byte preparations.
 */
export function looksLikeRom(bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (length < 64 * KIB || length > ROM_MAX || (length & (length - 1)) !== 0) return false;
  const vector = bytes.subarray(length - 16);
  let at = 0;
  while (PREPARATIONS.some((p) => p.every((b, i) => vector[at + i] === b)) && at < 8) at += vector[at] === 0x0f ? 2 : 1;
  return vector[at] === 0xea || vector[at] === 0xe9;
}

/** What firmware may do before its first jump: cli, cld, nop, invd, wbinvd. */
const PREPARATIONS = [[0xfa], [0xfc], [0x90], [0x0f, 0x08], [0x0f, 0x09]] as const;

/** Plans a ROM: it ends at 4 GiB, and its last 128 KiB are also in RAM below 1 MiB, as on a PC. Throws LoadError ROM. */
export function loadRom(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const { length } = bytes;
  if (length % PAGE !== 0 || length > ROM_MAX)
    throw refusal('ROM', {
      field: 'ROM: size',
      found: `${length} bytes`,
      expected: 'a multiple of 4 KiB up to 16 MiB',
      cure: `pad the image at its beginning to ${alignUp(length, PAGE)} bytes: a ROM ends at its reset vector`,
    });
  const copied = Math.min(length, ROM_COPY);
  const segments: Segment[] = [
    { gpa: MIB - copied, bytes: bytes.subarray(length - copied), memSize: copied, name: 'ROM copy below 1 MiB' },
    { gpa: FOUR_GIB - length, bytes, memSize: length, name: 'ROM', rom: true },
  ];
  const { selector, base, ip } = RESET_VECTOR;
  return {
    format: 'rom',
    description: `ROM, ${sizeText(length)}, ends at 4 GiB`,
    segments,
    entry: { mode: 'real', rip: ip, cs: { selector, base } },
    symbols: [],
    notes: ignoredNotes(options, 'a ROM'),
  };
}
