import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { elf, guest, join, padTo, quads, strings, symbolTable, words } from './build.ts';
import { AT, pie, rela, withRela } from './pie.ts';
import { refused } from './refused.ts';

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
});
