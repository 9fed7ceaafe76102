/**
 * Relocates a position-independent executable that has no dynamic linker: RELA, REL and RELR tables (x86-64 psABI 4.4,
 * i386 psABI 4.1; RELR from the generic ABI draft). Only segments that relocations write to are copied.
 */

import { EM, SYM32, SYM64 } from '../../src/abi/elf.ts';
import { LoadError } from '../../src/errors.ts';
import { copyOf, hex, stringAt, viewOf } from '../bytes.ts';
import { refusal } from '../refuse.ts';
import { DT, type Dynamic, LinkedImage, readDynamic, tableOf } from './dynamic.ts';
import type { ElfFile, Program } from './header.ts';

/** How a relocated word is computed: B + A, S + A, or S alone. */
type Rule = 'none' | 'base+addend' | 'symbol+addend' | 'symbol';

const RULES: Readonly<Record<number, Readonly<Record<number, Rule>>>> = {
  [EM.X86_64]: { 0: 'none', 1: 'symbol+addend', 6: 'symbol', 7: 'symbol', 8: 'base+addend' },
  [EM.I386]: { 0: 'none', 1: 'symbol+addend', 6: 'symbol', 7: 'symbol', 8: 'base+addend' },
};

const REFUSED: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [EM.X86_64]: {
    2: 'R_X86_64_PC32',
    5: 'R_X86_64_COPY',
    10: 'R_X86_64_32',
    16: 'R_X86_64_DTPMOD64',
    17: 'R_X86_64_DTPOFF64',
    18: 'R_X86_64_TPOFF64',
    36: 'R_X86_64_TLSDESC',
    37: 'R_X86_64_IRELATIVE',
  },
  [EM.I386]: {
    2: 'R_386_PC32',
    5: 'R_386_COPY',
    14: 'R_386_TLS_TPOFF',
    35: 'R_386_TLS_DTPMOD32',
    36: 'R_386_TLS_DTPOFF32',
    42: 'R_386_IRELATIVE',
  },
};

/** Relocated contents by segment; segments without relocations are absent. Adds what it did to `notes`. */
export function relocate(
  elf: ElfFile,
  loads: readonly Program[],
  bias: bigint,
  notes: string[],
): ReadonlyMap<Program, Uint8Array> {
  const image = new LinkedImage(loads);
  const tags = readDynamic(elf, image);
  const target = new Target(elf, image, bias);
  let count = 0;
  for (const [name, addressTag, sizeTag, withAddend] of relocationTables(tags)) {
    const entrySize = (withAddend ? 3 : 2) * target.word;
    const table = tableOf(image, tags, [name, addressTag, sizeTag], entrySize);
    if (!table) continue;
    for (let i = 0; i < table.count; i++)
      applyEntry(elf, target, image, tags, table.offset + i * entrySize, withAddend);
    count += table.count;
  }
  count += applyRelr(elf, target, image, tags);
  if (count > 0) notes.push(`${count} relocations applied (base ${hex(bias)})`);
  else if (bias !== 0n) notes.push('position-independent without relocations: moved as it is');
  return target.contents;
}

type TableRow = readonly [name: string, addressTag: number, sizeTag: number, withAddend: boolean];

function relocationTables(tags: Dynamic): readonly TableRow[] {
  const tables: TableRow[] = [
    ['DT_RELA', DT.RELA, DT.RELASZ, true],
    ['DT_REL', DT.REL, DT.RELSZ, false],
  ];
  // Some linkers count the PLT's relocations into the main table; they must not be applied twice.
  const plt = tags.get(DT.JMPREL) ?? 0n;
  const counted = tables.some(([, address, size]) => {
    const start = tags.get(address);
    return start !== undefined && plt >= start && plt < start + (tags.get(size) ?? 0n);
  });
  if (!counted) tables.push(['DT_JMPREL', DT.JMPREL, DT.PLTRELSZ, tags.get(DT.PLTREL) === BigInt(DT.RELA)]);
  return tables;
}

/** The words being relocated. Copies a segment at the first write to it. */
class Target {
  readonly word: 4 | 8;
  readonly bias: bigint;
  readonly contents = new Map<Program, Uint8Array>();
  readonly #views = new Map<Program, DataView>();
  readonly #elf: ElfFile;
  readonly #image: LinkedImage;
  #budget: number;

  constructor(elf: ElfFile, image: LinkedImage, bias: bigint) {
    this.word = elf.bits === 64 ? 8 : 4;
    this.bias = bias;
    this.#elf = elf;
    this.#image = image;
    this.#budget = elf.bytes.length;
  }

  /** Replaces the word at a link-time address by the result of `compute`. */
  change(address: bigint, at: number, compute: (old: bigint) => bigint): void {
    const location = this.#image.fileRange(address, this.word);
    if (!location)
      throw refusal('ELF_RELOCATION', {
        field: 'relocation target',
        at,
        found: address,
        expected: "an address inside a segment's file content",
        cure: 'the file is damaged: build it again',
      });
    const view = this.#viewOf(location.program);
    const { inSegment } = location;
    if (this.word === 8)
      view.setBigUint64(inSegment, BigInt.asUintN(64, compute(view.getBigUint64(inSegment, true))), true);
    else view.setUint32(inSegment, Number(BigInt.asUintN(32, compute(BigInt(view.getUint32(inSegment, true))))), true);
  }

  #viewOf(program: Program): DataView {
    const known = this.#views.get(program);
    if (known) return known;
    this.#budget -= program.filesz;
    if (this.#budget < 0)
      throw new LoadError(
        'ELF_RELOCATION',
        'relocated segments together are larger than the file: segments share file content, and the file is damaged or hostile',
      );
    const copy = copyOf(this.#elf.bytes, program.offset, program.offset + program.filesz);
    const view = viewOf(copy);
    this.contents.set(program, copy);
    this.#views.set(program, view);
    return view;
  }
}

function applyEntry(
  elf: ElfFile,
  target: Target,
  image: LinkedImage,
  tags: Dynamic,
  at: number,
  withAddend: boolean,
): void {
  const view = viewOf(elf.bytes);
  const wide = target.word === 8;
  const where = wide ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  const [type, symbol] = wide
    ? [view.getUint32(at + 8, true), view.getUint32(at + 12, true)]
    : [view.getUint8(at + 4), view.getUint32(at + 4, true) >>> 8];
  const rule = elf.bits === 32 && elf.machine === EM.X86_64 ? undefined : RULES[elf.machine]?.[type];
  if (!rule)
    throw refusal('ELF_RELOCATION', {
      field: 'relocation type',
      at: at + target.word,
      found: `${type} (${REFUSED[elf.machine]?.[type] ?? 'unknown'})`,
      expected: 'a relative or symbol relocation',
      cure: 'this needs a dynamic linker or a C library at run time: link without thread-local storage and indirect functions, or at a fixed address',
    });
  if (rule === 'none') return;
  const explicit = !withAddend
    ? undefined
    : wide
      ? view.getBigInt64(at + 16, true)
      : BigInt(view.getInt32(at + 8, true));
  const s = rule === 'base+addend' ? target.bias : symbolValue(elf, image, tags, symbol, target.bias, at);
  target.change(where, at, (old) => (rule === 'symbol' ? s : s + (explicit ?? old)));
}

const STB_WEAK = 2;
const STT_GNU_IFUNC = 10;
const SHN_ABS = 0xfff1;

function symbolValue(elf: ElfFile, image: LinkedImage, tags: Dynamic, index: number, bias: bigint, at: number): bigint {
  if (index === 0) return 0n;
  const layout = elf.bits === 64 ? SYM64 : SYM32;
  const table = tags.get(DT.SYMTAB);
  const location = table === undefined ? undefined : image.fileRange(table + BigInt(index * layout.size), layout.size);
  const bad = (found: string, cure: string) =>
    refusal('ELF_RELOCATION', {
      field: `relocation symbol ${index}`,
      at,
      found,
      expected: 'a symbol defined in this file',
      cure,
    });
  if (!location) throw bad('outside the symbol table', 'the file is damaged: build it again');
  const symbol = layout.over(elf.bytes, location.offset);
  const strings = image.fileRange((tags.get(DT.STRTAB) ?? 0n) + BigInt(symbol.st_name), 1);
  const name = strings ? stringAt(elf.bytes, strings.offset, 256) : '?';
  if (symbol.st_shndx === 0) {
    if (symbol.st_info >>> 4 === STB_WEAK) return 0n;
    throw bad(`"${name}", undefined`, 'link everything the guest needs into it');
  }
  if ((symbol.st_info & 0xf) === STT_GNU_IFUNC)
    throw bad(
      `"${name}", an indirect function`,
      'its address is computed at run time: link without indirect functions',
    );
  return BigInt(symbol.st_value) + (symbol.st_shndx === SHN_ABS ? 0n : bias);
}

/** RELR: an even word names an address; each odd word after it is a bitmap of the following 63 (or 31) words. */
function applyRelr(elf: ElfFile, target: Target, image: LinkedImage, tags: Dynamic): number {
  const table = tableOf(image, tags, ['DT_RELR', DT.RELR, DT.RELRSZ], target.word);
  if (!table) return 0;
  const view = viewOf(elf.bytes);
  const word = BigInt(target.word);
  let where = 0n;
  let count = 0;
  const add = (address: bigint, at: number) => {
    target.change(address, at, (old) => old + target.bias);
    count++;
  };
  for (let i = 0; i < table.count; i++) {
    const at = table.offset + i * target.word;
    const entry = target.word === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
    if ((entry & 1n) === 0n) {
      add(entry, at);
      where = entry + word;
    } else {
      for (let bit = 0n; bit < word * 8n - 1n; bit++) if ((entry >> (bit + 1n)) & 1n) add(where + bit * word, at);
      where += (word * 8n - 1n) * word;
    }
  }
  return count;
}
