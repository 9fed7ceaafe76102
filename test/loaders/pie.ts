/** A position-independent test program with relocations of the test's choice. */
import { elf, join, padTo, quads, strings, symbolTable } from './build.ts';

/*
 * Layout of the test program, linked at 0:
 *   0x000 eight quads that relocations change
 *   0x100 relocation table    0x200 symbols    0x300 strings    0x400 dynamic section
 */
export const AT = { table: 0x100, symbols: 0x200, strings: 0x300, dynamic: 0x400 } as const;
export const NAMES = strings(['', 'defined', 'weak', 'missing', 'ifunc', 'absolute', 'libc.so.6']);

export interface PieSpec {
  readonly table: Uint8Array;
  readonly dynamic: readonly (readonly [tag: number, value: number])[];
  readonly words?: readonly bigint[];
}

/** The file, with a relocation table and the dynamic tags that name it. */
export function pie({ table, dynamic, words: initial = [] }: PieSpec): Uint8Array {
  const symbols = symbolTable(
    [
      { name: 'defined', value: 0x40n },
      { name: 'weak', value: 0n, section: 0, type: 0x20 },
      { name: 'missing', value: 0n, section: 0, type: 0x10 },
      { name: 'ifunc', value: 0x40n, type: 10 },
      { name: 'absolute', value: 0x77n, section: 0xfff1 },
    ],
    NAMES.at.slice(1),
    64,
  );
  const tags = [
    ...dynamic,
    [6, AT.symbols] as const,
    [5, AT.strings] as const,
    [10, NAMES.bytes.length] as const,
    [0, 0] as const,
  ];
  const dynamicBytes = quads(...tags.flatMap(([tag, value]) => [BigInt(tag), BigInt(value)]));
  const bytes = join(
    padTo(quads(...initial), AT.table),
    padTo(table, AT.symbols - AT.table),
    padTo(symbols, AT.strings - AT.symbols),
    padTo(NAMES.bytes, AT.dynamic - AT.strings),
    dynamicBytes,
  );
  return elf({
    type: 3,
    entry: 8n,
    segments: [
      { vaddr: 0n, bytes, memsz: 0x1000, flags: 7, align: 0x1000n },
      { type: 2, vaddr: BigInt(AT.dynamic), inside: { segment: 0, at: AT.dynamic, size: dynamicBytes.length } },
    ],
  });
}

/** One RELA entry. */
export const rela = (offset: number, type: number, symbol: number, addend: bigint) =>
  quads(BigInt(offset), (BigInt(symbol) << 32n) | BigInt(type), BigInt.asUintN(64, addend));

/** The program with one RELA table. */
export const withRela = (table: Uint8Array, more: Partial<PieSpec> = {}) =>
  pie({
    table,
    dynamic: [
      [7, AT.table],
      [8, table.length],
      [9, 24],
    ],
    ...more,
  });
