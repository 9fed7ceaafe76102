/** Reads .symtab, or .dynsym where the file was stripped. Bounded by the file's size; never throws. */

import { SHT, SYM32, SYM64 } from '../../src/abi/elf.ts';
import { stringAt, viewOf } from '../bytes.ts';
import type { GuestSymbol } from '../image.ts';
import type { ElfFile } from './header.ts';
import { contentOf, type Section } from './sections.ts';

/** More symbols than a Linux kernel has. */
const MAX_SYMBOLS = 1_000_000;
const MAX_NAME = 1024;
const SHN_UNDEF = 0;
const SHN_LORESERVE = 0xff00;

/** st_info types that name a place in memory; sections, files and thread-local offsets do not. */
const KINDS: Readonly<Record<number, GuestSymbol['kind']>> = { 0: 'other', 1: 'object', 2: 'function', 10: 'function' };

/** Symbols at their run-time addresses: file value plus `bias`. Absolute symbols are constants, not places: left out. */
export function readSymbols(elf: ElfFile, sections: readonly Section[], bias: bigint): GuestSymbol[] {
  const table =
    sections.find((s) => s.type === SHT.SYMTAB && s.fileSize > 0) ?? sections.find((s) => s.type === SHT.DYNSYM);
  const strings = table && sections[table.link];
  if (!table || !strings || strings.type !== SHT.STRTAB) return [];
  const names = contentOf(elf, strings);
  const content = contentOf(elf, table);
  const wide = elf.bits === 64;
  const entrySize = wide ? SYM64.size : SYM32.size;
  const [infoAt, sectionAt, valueAt, sizeAt] = wide ? [4, 6, 8, 16] : [12, 14, 4, 8];
  const view = viewOf(content);
  const word = (at: number): bigint => (wide ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true)));

  // Names may share bytes (tails do), but not so many that they add up to far more than the string table.
  let nameBudget = 4 * names.length + 65_536;
  const symbols: GuestSymbol[] = [];
  const end = Math.min(content.length - entrySize, MAX_SYMBOLS * entrySize);
  for (let at = 0; at <= end && nameBudget > 0; at += entrySize) {
    const kind = KINDS[view.getUint8(at + infoAt) & 0xf];
    const sectionIndex = view.getUint16(at + sectionAt, true);
    const nameAt = view.getUint32(at, true);
    if (!kind || nameAt === 0 || sectionIndex === SHN_UNDEF || sectionIndex >= SHN_LORESERVE) continue;
    const name = stringAt(names, nameAt, MAX_NAME);
    if (name === '') continue;
    nameBudget -= name.length;
    const section = sections[sectionIndex]?.name;
    symbols.push({
      name,
      address: BigInt.asUintN(elf.bits, word(at + valueAt) + bias),
      size: Number(word(at + sizeAt)),
      kind,
      ...(section ? { section } : {}),
    });
  }
  return symbols;
}
