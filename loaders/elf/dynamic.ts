/** The dynamic section of a position-independent ELF file, and its bytes by link-time address. */
import { hex, stringAt, viewOf } from '../bytes.ts';
import { refusal } from '../refuse.ts';
import type { ElfFile, Program } from './header.ts';

/** Dynamic tags this loader acts on (System V ABI, figure 5-10; DT_RELR from the 2022 draft). */
export const DT = {
  NEEDED: 1,
  PLTRELSZ: 2,
  STRTAB: 5,
  SYMTAB: 6,
  RELA: 7,
  RELASZ: 8,
  RELAENT: 9,
  STRSZ: 10,
  SONAME: 14,
  REL: 17,
  RELSZ: 18,
  RELENT: 19,
  PLTREL: 20,
  JMPREL: 23,
  RELRSZ: 35,
  RELR: 36,
  RELRENT: 37,
  FLAGS_1: 0x6fff_fffb,
} as const;

/** A bit of DT_FLAGS_1: a program, not a library. Linkers set it since 2015. */
const DF_1_PIE = 0x0800_0000n;

/** Tag -> value; the first of each tag. */
export type Dynamic = ReadonlyMap<number, bigint>;

/** What to do with a shared library. */
export const SHARED_LIBRARY =
  'this is a shared library, not a program: link the guest with -static-pie or -static instead of -shared';

/**
 * Reads PT_DYNAMIC; an empty map without one. Throws LoadError ELF_DYNAMIC when shared libraries are needed, ELF_TYPE for
 * one.
 */
export function readDynamic(elf: ElfFile, image: LinkedImage): Dynamic {
  const tags = new Map<number, bigint>();
  const program = elf.programs.find((p) => p.type === 'dynamic');
  if (!program) return tags;
  const wide = elf.bits === 64;
  const view = viewOf(elf.bytes.subarray(program.offset, program.offset + program.filesz));
  const step = wide ? 16 : 8;
  for (let at = 0; at + step <= view.byteLength; at += step) {
    const tag = wide ? Number(view.getBigInt64(at, true)) : view.getInt32(at, true);
    if (tag === 0) break;
    if (!tags.has(tag)) tags.set(tag, wide ? view.getBigUint64(at + 8, true) : BigInt(view.getUint32(at + 4, true)));
  }
  const nameAt = (offset: bigint) => {
    const strings = image.fileRange(tags.get(DT.STRTAB) ?? 0n, Number(tags.get(DT.STRSZ) ?? 0n));
    return strings ? stringAt(elf.bytes, strings.offset + Number(offset)) : '?';
  };
  const needed = tags.get(DT.NEEDED);
  if (needed !== undefined)
    throw refusal('ELF_DYNAMIC', {
      field: 'dynamic section: DT_NEEDED',
      at: program.offset,
      found: `shared library "${nameAt(needed)}"`,
      expected: 'none',
      cure: 'a bare machine has no dynamic linker: link the guest with -static-pie or -static',
    });
  const soname = tags.get(DT.SONAME);
  if (soname !== undefined && ((tags.get(DT.FLAGS_1) ?? 0n) & DF_1_PIE) === 0n)
    throw refusal('ELF_TYPE', {
      field: 'dynamic section: DT_SONAME',
      at: program.offset,
      found: `"${nameAt(soname)}"`,
      expected: 'none',
      cure: SHARED_LIBRARY,
    });
  return tags;
}

/** A run of bytes of one segment. */
export interface Location {
  readonly program: Program;
  /** Byte offset in the segment. */
  readonly inSegment: number;
  /** Byte offset in the file. */
  readonly offset: number;
}

/** Looks up link-time addresses in the file-backed parts of the PT_LOAD segments. */
export class LinkedImage {
  readonly #sorted: readonly Program[];
  #last: Program | undefined;

  constructor(loads: readonly Program[]) {
    this.#sorted = loads.toSorted((a, b) => (a.vaddr < b.vaddr ? -1 : a.vaddr > b.vaddr ? 1 : 0));
  }

  /** Where `length` bytes at `address` are, or undefined when no segment's file content holds all of them. */
  fileRange(address: bigint, length: number): Location | undefined {
    if (!this.#last || !holds(this.#last, address)) this.#last = this.#find(address);
    const program = this.#last;
    if (!program) return undefined;
    const inSegment = Number(address - program.vaddr);
    return inSegment + length <= program.filesz
      ? { program, inSegment, offset: program.offset + inSegment }
      : undefined;
  }

  #find(address: bigint): Program | undefined {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]!.vaddr <= address) low = middle + 1;
      else high = middle;
    }
    const program = this.#sorted[low - 1];
    return program && holds(program, address) ? program : undefined;
  }
}

const holds = (p: Program, address: bigint): boolean => address >= p.vaddr && address - p.vaddr < BigInt(p.memsz);

/** The file range of a table that the dynamic section names, or undefined when the tag is absent. */
export function tableOf(
  image: LinkedImage,
  tags: Dynamic,
  [name, addressTag, sizeTag]: readonly [string, number, number],
  entrySize: number,
): { offset: number; count: number } | undefined {
  const address = tags.get(addressTag);
  const bytes = Number(tags.get(sizeTag) ?? 0n);
  if (address === undefined || bytes === 0) return undefined;
  const location = image.fileRange(address, bytes);
  if (!location || bytes % entrySize !== 0)
    throw refusal('ELF_RELOCATION', {
      field: `dynamic section: ${name}`,
      found: `${hex(bytes)} bytes at ${hex(address)}`,
      expected: `whole entries of ${entrySize} bytes inside a segment's file content`,
      cure: 'the file is damaged: build it again',
    });
  return { offset: location.offset, count: bytes / entrySize };
}
