/** Names the format of a file by its content. Other known formats are named too, with advice. */

import { EM, machineName } from '../src/abi/elf.ts';
import { BYTES, checkArguments } from '../src/arguments.ts';
import { LoadError } from '../src/errors.ts';
import { BOOT_SECTOR_BYTES, hasBootSignature } from './boot-sector.ts';
import { viewOf } from './bytes.ts';
import { isSurelyDisk } from './disk/load.ts';
import { bytesDisk } from './disk/readable.ts';
import { isElf, readElf } from './elf/header.ts';
import { pvhEntry, readNotes } from './elf/notes.ts';
import { readSections } from './elf/sections.ts';
import { foreignFormat } from './foreign/formats.ts';
import type { FormatName } from './image.ts';
import { hasEntry64, isBzImage } from './linux/bz-image.ts';
import { findMultiboot1, HEADER_FLAG } from './multiboot1.ts';
import { findMultiboot2, hasAddressTag } from './multiboot2-header.ts';
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

/** Names the format. Looks at headers only; does not unwrap. */
export function detect(bytes: Uint8Array): Detection {
  checkArguments('detect', [bytes, BYTES]);
  if (bytes.length === 0)
    return { kind: 'other', name: 'empty file', advice: 'there is nothing to load: build or copy the image again' };
  const wrapper = wrapperOf(bytes);
  if (wrapper) return { kind: 'wrapped', wrapper };
  if (isElf(bytes)) return detectElf(bytes);
  if (isBzImage(bytes)) return guest(hasEntry64(bytes) ? 'linux' : 'linux16');
  // Firmware may also have a Multiboot header; but it is made to start at the reset vector.
  if (looksLikeRom(bytes)) return guest('rom');
  // What a boot loader leaves in a disk's first sectors may look like other formats.
  if (isSurelyDisk(bytesDisk(bytes))) return guest('disk');
  const known = foreignFormat(bytes);
  const multiboot = multibootVersion(bytes);
  // A file of another kind can be a Multiboot kernel only by address fields: as a PE file that also has a header for EFI.
  if (multiboot && (!known || multiboot.hasAddresses)) return guest(multiboot.format);
  if (known) return { kind: 'other', name: known.name, advice: known.advice };
  if (hasBootSignature(bytes)) return guest(bytes.length > BOOT_SECTOR_BYTES ? 'disk' : 'boot-sector');
  if (isText(bytes))
    return { kind: 'other', name: 'text', advice: 'this is source or notes: give the program built from it' };
  return {
    kind: 'unknown',
    advice:
      'say what it is: --format flat --load ADDRESS --mode real|protected|long, --format rom, or --format boot-sector',
  };
}

const guest = (format: FormatName): Detection => ({ kind: 'guest', format });

/** Which Multiboot header the file has, and whether it says where the kernel goes. */
function multibootVersion(bytes: Uint8Array): { format: FormatName; hasAddresses: boolean } | undefined {
  if (findMultiboot2(bytes) !== undefined) return { format: 'multiboot2', hasAddresses: hasAddressTag(bytes) };
  const first = findMultiboot1(bytes);
  return first && { format: 'multiboot1', hasAddresses: (first.flags & HEADER_FLAG.addressFields) !== 0 };
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
