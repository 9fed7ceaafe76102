/** ROM images: PC firmware that ends at 4 GiB and starts at the reset vector. */
import { alignUp, FOUR_GIB, KIB, MIB, PAGE_SIZE, size as sizeText, viewOf } from './bytes.ts';
import { type GuestImage, ignoredNotes, type LoadOptions, type Segment } from './image.ts';
import { refusal } from './refuse.ts';

const ROM_MAX = 16 * MIB;
const ROM_COPY = 128 * KIB;
/** The reset vector is 16 bytes before 4 GiB (SDM volume 3, section 10.1.4). */
const RESET_VECTOR = { selector: 0xf000, base: 0xffff_0000, ip: 0xfff0n } as const;

/** What firmware may do before its first jump: cli, cld, nop, invd, wbinvd. */
const PREPARATIONS = [[0xfa], [0xfc], [0x90], [0x0f, 0x08], [0x0f, 0x09]] as const;
/** How UEFI firmware starts: mov eax, cr0; test al, 1. It asks whether it is in real mode. */
const UEFI_START = [0x0f, 0x20, 0xc0, 0xa8, 0x01] as const;
const FAR_JUMP = 0xea;
const NEAR_JUMP = 0xe9;
/** Bytes of a ROM that nothing was written to. */
const FILLER: ReadonlySet<number | undefined> = new Set([undefined, 0x00, 0xff]);

/**
 * Evidence of a PC firmware ROM, by its reset vector: it starts as UEFI firmware does, or jumps, after at most a few of
 * {@link PREPARATIONS}. ROMs are powers of two from 64 KiB to 16 MiB; at other sizes the jump has to lead to code as well.
 */
export function looksLikeRom(bytes: Uint8Array): boolean {
  const { length } = bytes;
  if (length < 64 * KIB || length > ROM_MAX || length % PAGE_SIZE !== 0) return false;
  const vector = bytes.subarray(length - 16);
  if (startsWith(vector, UEFI_START)) return true;
  let at = 0;
  for (let step: number; at < 8; at += step) {
    step = PREPARATIONS.find((p) => startsWith(vector.subarray(at), p))?.length ?? 0;
    if (step === 0) break;
  }
  if (vector[at] !== FAR_JUMP && vector[at] !== NEAR_JUMP) return false;
  return (length & (length - 1)) === 0 || jumpsToCode(bytes, length - 16 + at);
}

const startsWith = (bytes: Uint8Array, wanted: readonly number[]): boolean => wanted.every((b, i) => bytes[i] === b);

/** The jump leads to a byte of the last 64 KiB that is no filler: far through segment f000, or near and backwards. */
function jumpsToCode(bytes: Uint8Array, at: number): boolean {
  const view = viewOf(bytes);
  const code = bytes.subarray(bytes.length - 64 * KIB);
  if (bytes[at] === FAR_JUMP)
    return view.getUint16(at + 3, true) === RESET_VECTOR.selector && !FILLER.has(code[view.getUint16(at + 1, true)]);
  const distance = view.getInt16(at + 1, true);
  return distance < 0 && !FILLER.has(bytes[at + 3 + distance]);
}

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
