/**
 * Section headers: names, symbol tables and notes. A guest loads without them: if they are damaged there are no
 * symbols, a note says so, and the guest boots.
 */

import { SHDR32, SHDR64, SHT } from '../../src/abi/elf.ts';
import { hex, stringAt } from '../bytes.ts';
import type { ElfFile } from './header.ts';

/** More sections than any linked guest keeps; bounds all work per image. */
const MAX_SECTIONS = 4096;
const SHF_ALLOC = 2;

/** A section header. Its file range lies inside the file, or `fileSize` is 0. */
export interface Section {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly allocated: boolean;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  /** Bytes of content in the file: 0 for NOBITS. */
  readonly fileSize: number;
  readonly link: number;
  readonly align: number;
  readonly entrySize: number;
}

/** Sections of a file, and what was wrong with them. */
interface SectionTable {
  readonly sections: readonly Section[];
  readonly notes: readonly string[];
}

const none = (...notes: string[]): SectionTable => ({ sections: [], notes });

/** Reads the section headers. Never throws. */
export function readSections(elf: ElfFile): SectionTable {
  const { bytes, bits, shoff, shnum, shstrndx } = elf;
  if (shoff === 0 || shnum === 0) return none();
  const layout = bits === 64 ? SHDR64 : SHDR32;
  if (shnum > MAX_SECTIONS)
    return none(`${shnum} sections are more than ${MAX_SECTIONS}: sections and symbols ignored`);
  if (elf.shentsize !== layout.size)
    return none(`e_shentsize is ${elf.shentsize}, expected ${layout.size}: sections and symbols ignored`);
  if (shoff + shnum * layout.size > bytes.length)
    return none(`section headers at ${hex(shoff)} end past the file: sections and symbols ignored`);

  const headers = Array.from({ length: shnum }, (_, index) => layout.over(bytes, shoff + index * layout.size));
  const strings = headers[shstrndx];
  const names =
    strings && strings.sh_type === SHT.STRTAB
      ? bytes.subarray(Number(strings.sh_offset), Number(strings.sh_offset) + Number(strings.sh_size))
      : new Uint8Array();
  const outside: number[] = [];
  const sections = headers.map((header, index): Section => {
    const offset = Number(header.sh_offset);
    const size = Number(header.sh_size);
    const inFile = header.sh_type !== SHT.NOBITS && header.sh_type !== 0;
    const inside = offset + size <= bytes.length;
    if (inFile && !inside) outside.push(index);
    return {
      index,
      name: stringAt(names, header.sh_name, 128),
      type: header.sh_type,
      allocated: (Number(header.sh_flags) & SHF_ALLOC) !== 0,
      address: BigInt(header.sh_addr),
      offset,
      size,
      fileSize: inFile && inside ? size : 0,
      link: header.sh_link,
      align: Number(header.sh_addralign),
      entrySize: Number(header.sh_entsize),
    };
  });
  return {
    sections,
    notes:
      outside.length === 0
        ? []
        : [`${outside.length} section(s) end past the file (first: section ${outside[0]}): ignored`],
  };
}

/** The file content of a section; empty when it has none. */
export function contentOf(elf: ElfFile, section: Section): Uint8Array {
  return elf.bytes.subarray(section.offset, section.offset + section.fileSize);
}
