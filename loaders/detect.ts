/** Names the format of a file by its content. Other known formats are named too, with advice. */

import { EM, machineName } from '../src/abi/elf.ts';
import { LoadError } from '../src/errors.ts';
import { hasBootSignature } from './boot-sector.ts';
import { viewOf } from './bytes.ts';
import { isElf, readElf } from './elf/header.ts';
import { pvhEntry, readNotes } from './elf/notes.ts';
import { readSections } from './elf/sections.ts';
import type { FormatName } from './image.ts';
import { isBzImage } from './linux/load.ts';
import { findMultiboot1 } from './multiboot1.ts';
import { findMultiboot2 } from './multiboot2-header.ts';
import { looksLikeRom } from './rom.ts';
import { type Wrapper, wrapperOf } from './unwrap.ts';

/** What a file is. */
export type Detection =
  /** A guest image that `load` understands. */
  | { readonly kind: 'guest'; readonly format: FormatName }
  /** A compressed image: `load` unwraps it and detects again. */
  | { readonly kind: 'wrapped'; readonly wrapper: Wrapper }
  /** A known format that is no x86 guest image. */
  | { readonly kind: 'other'; readonly name: string; readonly advice: string }
  /** No known format: it may still be a flat binary. */
  | { readonly kind: 'unknown'; readonly advice: string };

interface Signature {
  readonly name: string;
  readonly at: number;
  readonly magic: string | readonly number[];
  readonly advice: string;
}

const unpack = (tool: string) => `unpack it first: ${tool}`;
const DISK = 'this is a disk: a guest without firmware cannot boot it; give the kernel inside it';

/** Other formats by their magic. Checked after the guest formats that share one (a bzImage may be a PE file as well). */
const SIGNATURES: readonly Signature[] = [
  { name: 'xz', at: 0, magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], advice: unpack('xz -d') },
  { name: 'bzip2', at: 0, magic: 'BZh', advice: unpack('bzip2 -d') },
  { name: 'LZ4', at: 0, magic: [0x04, 0x22, 0x4d, 0x18], advice: unpack('lz4 -d') },
  { name: 'LZ4 (legacy)', at: 0, magic: [0x02, 0x21, 0x4c, 0x18], advice: unpack('lz4 -d') },
  { name: 'lzip', at: 0, magic: 'LZIP', advice: unpack('lzip -d') },
  { name: 'LZMA', at: 0, magic: [0x5d, 0x00, 0x00], advice: unpack('lzma -d') },
  { name: 'zip archive', at: 0, magic: 'PK\x03\x04', advice: unpack('unzip') },
  { name: '7-Zip archive', at: 0, magic: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], advice: unpack('7z x') },
  { name: 'tar archive', at: 257, magic: 'ustar', advice: unpack('tar -xf') },
  { name: 'Debian package or ar archive', at: 0, magic: '!<arch>\n', advice: unpack('dpkg -x, or ar x') },
  {
    name: 'cpio archive',
    at: 0,
    magic: '0707',
    advice: 'this is an initial RAM disk: give the kernel, and this with --module',
  },
  { name: 'QCOW2 disk image', at: 0, magic: 'QFI\xfb', advice: DISK },
  { name: 'VMDK disk image', at: 0, magic: 'KDMV', advice: DISK },
  { name: 'VirtualBox disk image', at: 64, magic: [0x7f, 0x10, 0xda, 0xbe], advice: DISK },
  { name: 'VHDX disk image', at: 0, magic: 'vhdxfile', advice: DISK },
  { name: 'ISO 9660 image', at: 0x8001, magic: 'CD001', advice: DISK },
  { name: 'squashfs image', at: 0, magic: 'hsqs', advice: DISK },
  {
    name: 'Mach-O',
    at: 0,
    magic: [0xcf, 0xfa, 0xed, 0xfe],
    advice: 'a macOS program: build the guest with an ELF toolchain',
  },
  {
    name: 'Mach-O (32-bit)',
    at: 0,
    magic: [0xce, 0xfa, 0xed, 0xfe],
    advice: 'a macOS program: build the guest with an ELF toolchain',
  },
  {
    name: 'Mach-O universal or Java class',
    at: 0,
    magic: [0xca, 0xfe, 0xba, 0xbe],
    advice: 'build the guest with an ELF toolchain',
  },
  {
    name: 'PE/COFF',
    at: 0,
    magic: 'MZ',
    advice: 'a Windows, DOS or EFI program: build the guest as ELF, or use the ELF kernel',
  },
  { name: 'WebAssembly', at: 0, magic: '\0asm', advice: 'build the guest for x86' },
  { name: 'U-Boot uImage', at: 0, magic: [0x27, 0x05, 0x19, 0x56], advice: 'give the kernel inside it (dumpimage)' },
  { name: 'device tree', at: 0, magic: [0xd0, 0x0d, 0xfe, 0xed], advice: 'this is data for a kernel, not a kernel' },
  { name: 'shell script', at: 0, magic: '#!', advice: 'give the program the script would run' },
  { name: 'LLVM bitcode', at: 0, magic: 'BC\xc0\xde', advice: 'compile and link it first' },
];

/** Names the format. Looks at headers only; does not unwrap. */
export function detect(bytes: Uint8Array): Detection {
  if (bytes.length === 0)
    return { kind: 'other', name: 'empty file', advice: 'there is nothing to load: build or copy the image again' };
  const wrapper = wrapperOf(bytes);
  if (wrapper) return { kind: 'wrapped', wrapper };
  if (isElf(bytes)) return detectElf(bytes);
  if (isBzImage(bytes)) return guest('linux');
  // Firmware may also have a Multiboot header; but it is made to start at the reset vector.
  if (looksLikeRom(bytes)) return guest('rom');
  const known = SIGNATURES.find((s) => matches(bytes, s));
  if (findMultiboot2(bytes) !== undefined) return guest('multiboot2');
  if (findMultiboot1(bytes)) return guest('multiboot1');
  if (known) return { kind: 'other', name: known.name, advice: known.advice };
  if (hasBootSignature(bytes)) return guest('boot-sector');
  if (isText(bytes))
    return { kind: 'other', name: 'text', advice: 'this is source or notes: give the program built from it' };
  return {
    kind: 'unknown',
    advice:
      'say what it is: --format flat --load ADDRESS --mode real|protected|long, --format rom, or --format boot-sector',
  };
}

const guest = (format: FormatName): Detection => ({ kind: 'guest', format });

function matches(bytes: Uint8Array, { at, magic }: Signature): boolean {
  const wanted = typeof magic === 'string' ? Buffer.from(magic, 'latin1') : magic;
  return wanted.every((b, i) => bytes[at + i] === b);
}

/** Multiboot before PVH before plain ELF: a kernel with a boot protocol needs what that passes. */
function detectElf(bytes: Uint8Array): Detection {
  if (bytes.length >= 20) {
    const machine = viewOf(bytes).getUint16(18, bytes[5] !== 2);
    if (machine !== EM.I386 && machine !== EM.X86_64)
      return {
        kind: 'other',
        name: `ELF for ${machineName(machine)}`,
        advice: 'this machine runs x86 guests only: build the guest for x86',
      };
  }
  if (findMultiboot2(bytes) !== undefined) return guest('multiboot2');
  if (findMultiboot1(bytes)) return guest('multiboot1');
  try {
    const elf = readElf(bytes);
    const notes = readNotes(elf, readSections(elf).sections);
    if (pvhEntry(notes)) return guest('elf-pvh');
    if (elf.bits === 64 && notes.some((n) => n.owner === 'Linux')) return guest('linux');
  } catch (error) {
    // Loading it as ELF reports what is wrong.
    if (!(error instanceof LoadError)) throw error;
  }
  return guest('elf');
}

/** UTF-8 without control characters other than white space in the first 4 KiB, and more than a few bytes of it. */
function isText(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  try {
    const start = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, 4096), { stream: true });
    return !/[\x00-\x08\x0e-\x1f\x7f]/.test(start);
  } catch {
    return false;
  }
}
