/**
 * The section header table as Multiboot passes it, so that kernels can print their own symbols: a copy in which the
 * symbol and string tables, which are in no segment, have the addresses where they are placed.
 */

import { SHDR32, SHDR64, SHT } from '../../src/abi/elf.ts';
import { endOf, findRoom } from '../arrange.ts';
import { copyOf, FOUR_GIB, PAGE_SIZE } from '../bytes.ts';
import type { LoadOptions, Segment } from '../image.ts';
import type { OpenElf } from './open.ts';
import { contentOf } from './sections.ts';

/** The patched table, and the segments that carry the tables it names. */
export interface SectionInfo {
  readonly table: Uint8Array;
  readonly count: number;
  readonly entrySize: number;
  /** Index of the section that holds the section names. */
  readonly namesIndex: number;
  readonly segments: readonly Segment[];
}

const CARRIED: ReadonlySet<number> = new Set([SHT.SYMTAB, SHT.STRTAB]);
/** A linked kernel has three: .symtab, .strtab, .shstrtab. */
const MAX_CARRIED = 16;

/** Undefined when the file has no sections, or there is no room for them: the kernel then gets none. */
export function sectionHeaders(
  open: OpenElf,
  taken: readonly Segment[],
  options: LoadOptions,
): SectionInfo | undefined {
  const { elf, sections } = open;
  if (sections.length === 0) return undefined;
  const carried = sections.filter((s) => !s.allocated && CARRIED.has(s.type) && s.fileSize > 0);
  if (carried.length > MAX_CARRIED) return undefined;
  const layout = elf.bits === 64 ? SHDR64 : SHDR32;
  const table = copyOf(elf.bytes, elf.shoff, elf.shoff + sections.length * layout.size);
  const segments: Segment[] = [];
  for (const section of carried) {
    const busy = [...taken, ...segments];
    const gpa = findRoom(options.memoryMap, busy, {
      name: section.name,
      size: section.fileSize,
      align: PAGE_SIZE,
      from: endOf(busy),
      to: FOUR_GIB,
    });
    if (gpa === undefined) return undefined;
    if (elf.bits === 64) SHDR64.over(table, section.index * layout.size).sh_addr = BigInt(gpa);
    else SHDR32.over(table, section.index * layout.size).sh_addr = gpa;
    segments.push({ gpa, bytes: contentOf(elf, section), memSize: section.fileSize, name: `section ${section.name}` });
  }
  return { table, count: sections.length, entrySize: layout.size, namesIndex: elf.shstrndx, segments };
}
