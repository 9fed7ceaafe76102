/** A bzImage, and everything shaped like one: boot sector and setup code for real mode, then the kernel. */
import { bytesOf } from '../../src/abi/struct.ts';
import type { Reservation, Segment } from '../image.ts';
import { refusal } from '../refuse.ts';
import {
  BOOT_FLAG,
  BOOT_PARAMS,
  type BootParams,
  HEADER_AT,
  HEADER_END,
  HEADER_MAGIC,
  LOADFLAG_LOADED_HIGH,
  XLF_KERNEL_64,
} from './setup-header.ts';

const SECTOR = 512;
/** Where the header's first jump starts from. Its target is the header's end. */
const JUMP_END = 0x202;
/** setup_sects of 0 means this. */
const OLD_SETUP_SECTS = 4;
/** syssize counts paragraphs. */
const SYSSIZE_UNIT = 16;
/** Longest command line in bytes, of kernels that do not say one. */
export const OLD_CMDLINE_MAX = 255;

/** Fields that came with a later version of the protocol, by their first offset: what older files have there is something else. */
const SINCE: readonly (readonly [version: number, offset: number])[] = [
  [0x0202, 0x228],
  [0x0203, 0x22c],
  [0x0205, 0x230],
  [0x0206, 0x238],
  [0x0207, 0x23c],
  [0x020a, 0x258],
];
/** syssize has 16 bits before that version. */
const LONG_SYSSIZE = 0x0204;

/** Such a file, in its parts. */
export interface BzImage {
  /** The setup header, a copy. Fields that the file's protocol version does not have are 0. */
  readonly header: BootParams;
  /** That header's bytes, from {@link HEADER_AT} on; live. */
  readonly headerBytes: Uint8Array;
  /** Boot sector and setup code. */
  readonly setup: Uint8Array;
  /** The kernel, compressed. */
  readonly payload: Uint8Array;
}

/** True for a bzImage and everything shaped like one. */
export function isBzImage(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_END) return false;
  const header = headerOf(bytes);
  return header.boot_flag === BOOT_FLAG && header.header === HEADER_MAGIC;
}

/** Whether it can be entered in long mode. */
export const hasEntry64 = (bytes: Uint8Array): boolean => (headerOf(bytes).xloadflags & XLF_KERNEL_64) !== 0;

/** The setup header in place, over a copy of the first page (which a short file may not fill). */
function headerOf(bytes: Uint8Array): BootParams {
  const page = new Uint8Array(BOOT_PARAMS.size);
  page.set(bytes.subarray(0, HEADER_END));
  const header = BOOT_PARAMS.over(page);
  const newer = SINCE.find(([version]) => header.version < version);
  page.fill(0, Math.min(HEADER_END, JUMP_END + header.jump_offset, newer?.[1] ?? HEADER_END));
  return header;
}

/** A refusal about the header. */
export const bad = (field: string, at: number, found: string | number, expected: string, cure: string) =>
  refusal('LINUX', { field: `bzImage setup header: ${field}`, at, found, expected, cure });

/** "Linux bzImage, boot protocol 2.15" */
export const nameOf = ({ version }: BootParams): string =>
  `Linux bzImage, boot protocol ${version >> 8}.${version & 0xff}`;

/** Takes it apart. Throws LoadError LINUX for what is none, TRUNCATED for a part of one. */
export function openBzImage(bytes: Uint8Array): BzImage {
  if (!isBzImage(bytes))
    throw bad(
      'header',
      0x202,
      'no "HdrS" after a boot flag 0xaa55',
      '"HdrS"',
      'this is no bzImage: choose another --format',
    );
  const header = headerOf(bytes);
  if (!(header.loadflags & LOADFLAG_LOADED_HIGH))
    throw bad('loadflags', 0x211, header.loadflags, 'LOADED_HIGH (bit 0)', 'this is a zImage: build a bzImage');
  const setupBytes = ((header.setup_sects || OLD_SETUP_SECTS) + 1) * SECTOR;
  const payload = bytes.subarray(setupBytes);
  const syssize = header.version < LONG_SYSSIZE ? header.syssize & 0xffff : header.syssize;
  // syssize is rounded up, and not every tool pads the file to that.
  const least = Math.max(SECTOR, (syssize - 1) * SYSSIZE_UNIT) + 1;
  if (payload.length < least)
    throw refusal('TRUNCATED', {
      field: 'bzImage: protected-mode kernel',
      at: setupBytes,
      found: `${payload.length} bytes`,
      expected: `at least ${least} (syssize)`,
      cure: 'the file is cut off: copy it again',
    });
  const end = Math.min(HEADER_END, JUMP_END + header.jump_offset);
  return {
    header,
    headerBytes: bytesOf(header).subarray(HEADER_AT, end),
    setup: bytes.subarray(0, setupBytes),
    payload,
  };
}

/** The kernel at an address, and what must be free behind it. */
export function kernelAt(
  gpa: number,
  payload: Uint8Array,
  initSize: number,
): { readonly kernel: Segment; readonly rest: readonly Reservation[] } {
  const size = initSize - payload.length;
  return {
    kernel: { gpa, bytes: payload, memSize: payload.length, name: 'Linux kernel (compressed)' },
    rest: size > 0 ? [{ gpa: gpa + payload.length, size, name: 'room the kernel unpacks into (init_size)' }] : [],
  };
}
