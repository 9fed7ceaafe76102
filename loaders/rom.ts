/** ROM images: PC firmware that ends at 4 GiB and starts at the reset vector. */
import { alignUp, FOUR_GIB, KIB, MIB, PAGE_SIZE, size as sizeText } from './bytes.ts';
import { type GuestImage, ignoredNotes, type LoadOptions, type Segment } from './image.ts';
import { refusal } from './refuse.ts';

const ROM_MAX = 16 * MIB;
const ROM_COPY = 128 * KIB;
/** The reset vector is 16 bytes before 4 GiB (SDM volume 3, section 10.1.4). */
const RESET_VECTOR = { selector: 0xf000, base: 0xffff_0000, ip: 0xfff0n } as const;

/**
 * Strong evidence of a PC firmware ROM: a power of two from 64 KiB to 16 MiB whose reset vector holds a far or near
 * jump, after at most a few of {@link PREPARATIONS}.
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
  if (length % PAGE_SIZE !== 0 || length > ROM_MAX)
    throw refusal('ROM', {
      field: 'ROM: size',
      found: `${length} bytes`,
      expected: 'a multiple of 4 KiB up to 16 MiB',
      cure: `pad the image at its beginning to ${alignUp(length, PAGE_SIZE)} bytes: a ROM ends at its reset vector`,
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
