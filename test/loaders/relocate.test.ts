import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { elf, guest, join, padTo, quads, strings, symbolTable, words } from './build.ts';
import { refused } from './refused.ts';

/*
 * Layout of the test program, linked at 0:
 *   0x000 eight quads that relocations change
 *   0x100 relocation table    0x200 symbols    0x300 strings    0x400 dynamic section
 */
const AT = { table: 0x100, symbols: 0x200, strings: 0x300, dynamic: 0x400 } as const;
const NAMES = strings(['', 'defined', 'weak', 'missing', 'ifunc', 'absolute', 'libc.so.6']);

interface Spec {
  readonly table: Uint8Array;
  readonly dynamic: readonly (readonly [tag: number, value: number])[];
  readonly words?: readonly bigint[];
}

function pie({ table, dynamic, words: initial = [] }: Spec): Uint8Array {
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

const rela = (offset: number, type: number, symbol: number, addend: bigint) =>
  quads(BigInt(offset), (BigInt(symbol) << 32n) | BigInt(type), BigInt.asUintN(64, addend));

const withRela = (table: Uint8Array, more: Partial<Spec> = {}) =>
  pie({
    table,
    dynamic: [
      [7, AT.table],
      [8, table.length],
      [9, 24],
    ],
    ...more,
  });

const quad = (bytes: Uint8Array, index: number) => Buffer.from(bytes).readBigUInt64LE(index * 8);

describe('position-independent ELF', () => {
  test('goes to 1 MiB by default, entry and symbols with it', () => {
    const image = load(withRela(rela(0, 8, 0, 0x40n)), guest());
    expect(image.segments[0]).toMatchObject({ gpa: 0x10_0000, memSize: 0x1000 });
    expect(image.entry.rip).toBe(0x10_0008n);
    expect(image.notes).toEqual([
      'position-independent: placed at 0x100000 (--load to change)',
      '1 relocations applied (base 0x100000)',
      'entry 0x8 is at guest-physical 0x100008',
    ]);
  });

  test('--load moves it; a misaligned one is refused', () => {
    const file = withRela(rela(0, 8, 0, 0x40n));
    const image = load(file, guest(64, { load: 0x30_0000 }));
    expect(image.segments[0]!.gpa).toBe(0x30_0000);
    expect(quad(image.segments[0]!.bytes, 0)).toBe(0x30_0040n);
    refused(
      () => load(file, guest(64, { load: 0x30_0010 })),
      'OPTION',
      /--load is 0x300010, expected 0x0 plus a multiple of 0x1000/,
    );
  });

  test('one linked at 2 MiB stays there', () => {
    const file = elf({ type: 3, segments: [{ vaddr: 0x20_0000n, bytes: words(1) }] });
    expect(load(file, guest()).segments[0]!.gpa).toBe(0x20_0000);
  });

  test('a segment alignment of 2 MiB is kept', () => {
    const file = elf({ type: 3, segments: [{ vaddr: 0n, bytes: words(1), align: 0x20_0000n }] });
    const image = load(file, guest());
    expect(image.segments[0]!.gpa).toBe(0x20_0000);
    expect(image.notes).toContain('position-independent without relocations: moved as it is');
  });

  test('every RELA rule', () => {
    const table = join(
      rela(0, 8, 0, 0x123n), // RELATIVE
      rela(8, 1, 1, 2n), // 64: S + A
      rela(16, 6, 1, 99n), // GLOB_DAT ignores the addend
      rela(24, 7, 2, 0n), // JUMP_SLOT of an undefined weak symbol
      rela(32, 1, 5, 1n), // absolute symbol
      rela(40, 0, 0, 5n), // NONE
      rela(48, 8, 0, -8n),
    );
    const file = withRela(table, { words: [1n, 1n, 1n, 1n, 1n, 1n, 1n] });
    const before = file.slice();
    const { bytes } = load(file, guest()).segments[0]!;
    expect([0, 1, 2, 3, 4, 5, 6].map((i) => quad(bytes, i))).toEqual([
      0x10_0123n,
      0x10_0042n,
      0x10_0040n,
      0n,
      0x78n,
      1n,
      0xf_fff8n,
    ]);
    expect(file).toEqual(before);
  });

  test('a file in a Buffer is not written to either', () => {
    const file = Buffer.from(withRela(rela(0, 8, 0, 0x40n)));
    const before = Buffer.from(file);
    expect(quad(load(file, guest()).segments[0]!.bytes, 0)).toBe(0x10_0040n);
    expect(file.equals(before)).toBe(true);
  });

  test('RELR: addresses and bitmaps', () => {
    // Address 0, then a bitmap for the words at 8, 16 and 40.
    const table = quads(0n, (0b1_0011n << 1n) | 1n);
    const file = pie({
      table,
      dynamic: [
        [36, AT.table],
        [35, table.length],
        [37, 8],
      ],
      words: [1n, 2n, 3n, 4n, 5n, 6n],
    });
    const { bytes } = load(file, guest()).segments[0]!;
    expect([0, 1, 2, 3, 4, 5].map((i) => quad(bytes, i))).toEqual([
      0x10_0001n,
      0x10_0002n,
      0x10_0003n,
      4n,
      5n,
      0x10_0006n,
    ]);
  });

  test('DT_JMPREL is applied once, also where the main table counts it', () => {
    const table = join(rela(0, 8, 0, 1n), rela(8, 7, 1, 0n));
    const counted = pie({
      table,
      dynamic: [
        [7, AT.table],
        [8, 48],
        [23, AT.table + 24],
        [2, 24],
        [20, 7],
      ],
    });
    expect(load(counted, guest()).notes).toContain('2 relocations applied (base 0x100000)');
    const apart = pie({
      table,
      dynamic: [
        [7, AT.table],
        [8, 24],
        [23, AT.table + 24],
        [2, 24],
        [20, 7],
      ],
    });
    const image = load(apart, guest());
    expect(image.notes).toContain('2 relocations applied (base 0x100000)');
    expect(quad(image.segments[0]!.bytes, 1)).toBe(0x10_0040n);
  });

  test('i386 REL', () => {
    const table = words(0, 8, 4, 1 | (1 << 8)); // RELATIVE at 0, R_386_32 of symbol 1 at 4
    const names = strings(['', 'here']);
    const symbols = symbolTable([{ name: 'here', value: 0x20n }], names.at.slice(1), 32);
    const bytes = join(words(5, 6), padTo(table, 24), padTo(symbols, 32), words(17, 8, 18, 16, 19, 8, 6, 32, 0, 0));
    const file = elf({
      bits: 32,
      type: 3,
      segments: [
        { vaddr: 0n, bytes, flags: 7 },
        { type: 2, vaddr: 64n, inside: { segment: 0, at: 64, size: 40 } },
      ],
    });
    const image = load(file, guest());
    expect(image.entry.mode).toBe('protected');
    expect(Buffer.from(image.segments[0]!.bytes).readUInt32LE(0)).toBe(0x10_0005);
    expect(Buffer.from(image.segments[0]!.bytes).readUInt32LE(4)).toBe(0x10_0026);
  });

  test.each([
    ['IRELATIVE', 37, 0, /relocation type at file offset 0x[0-9a-f]+ is 37 \(R_X86_64_IRELATIVE\)/],
    ['thread-local', 18, 1, /R_X86_64_TPOFF64/],
    ['an unknown type', 200, 1, /200 \(unknown\)/],
    ['an undefined symbol', 1, 3, /relocation symbol 3 .* is "missing", undefined/],
    ['an indirect function', 1, 4, /"ifunc", an indirect function/],
    ['a symbol outside the table', 1, 0xff_ffff, /outside the symbol table/],
  ])('refuses %s by name', (_, type, symbol, message) => {
    refused(() => load(withRela(rela(0, type, symbol, 0n)), guest()), 'ELF_RELOCATION', message);
  });

  test('refuses targets outside the file content', () => {
    refused(
      () => load(withRela(rela(0x800, 8, 0, 0n)), guest()),
      'ELF_RELOCATION',
      /relocation target .* is 0x800, expected an address inside/,
    );
    refused(() => load(withRela(rela(0x5000, 8, 0, 0n)), guest()), 'ELF_RELOCATION', /is 0x5000/);
  });

  test('refuses a table outside the file content, or with a broken entry', () => {
    const table = rela(0, 8, 0, 0n);
    refused(
      () =>
        load(
          pie({
            table,
            dynamic: [
              [7, 0x9000],
              [8, 24],
            ],
          }),
          guest(),
        ),
      'ELF_RELOCATION',
      /DT_RELA is 0x18 bytes at 0x9000, expected whole entries of 24 bytes/,
    );
    refused(
      () =>
        load(
          pie({
            table,
            dynamic: [
              [7, AT.table],
              [8, 25],
            ],
          }),
          guest(),
        ),
      'ELF_RELOCATION',
      /DT_RELA is 0x19 bytes/,
    );
  });

  test('refuses a program that needs a shared library, by its name', () => {
    const file = pie({ table: new Uint8Array(), dynamic: [[1, NAMES.at[6]!]] });
    refused(
      () => load(file, guest()),
      'ELF_DYNAMIC',
      /DT_NEEDED .* is shared library "libc\.so\.6", expected none; .*-static-pie/,
    );
  });

  test('refuses segments that share file content to grow beyond it', () => {
    const table = join(...Array.from({ length: 4 }, (_, i) => rela(i * 0x1000, 8, 0, 0n)));
    const dynamic = quads(7n, 0x100n, 8n, BigInt(table.length), 0n, 0n);
    const bytes = padTo(join(padTo(new Uint8Array(), 0x100), table, dynamic), 0x800);
    const part = (i: number) => ({ vaddr: BigInt(i * 0x1000), inside: { segment: 0, at: 0, size: 0x800 }, flags: 7 });
    const file = elf({
      type: 3,
      segments: [
        { vaddr: 0n, bytes, flags: 7 },
        part(1),
        part(2),
        part(3),
        { type: 2, vaddr: 0n, inside: { segment: 0, at: 0x100 + table.length, size: dynamic.length } },
      ],
    });
    refused(() => load(file, guest()), 'ELF_RELOCATION', /segments share file content/);
  });
});
