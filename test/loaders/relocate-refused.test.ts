import { describe, expect, test } from 'vitest';
import { viewOf } from '../../loaders/bytes.ts';
import { load } from '../../loaders/index.ts';
import { elf, guest, join, padTo, quads } from './build.ts';
import { AT, NAMES, pie, rela, withRela } from './pie.ts';
import { refused } from './refused.ts';

describe('relocations that are refused', () => {
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

  test('refuses what has a library name and is not marked as a program', () => {
    const named = (...more: [number, number][]) =>
      pie({ table: new Uint8Array(), dynamic: [[14, NAMES.at[6]!], ...more] });
    const message = /DT_SONAME .* is "libc\.so\.6", expected none; this is a shared library, not a program/;
    refused(() => load(named(), guest()), 'ELF_TYPE', message);
    refused(() => load(named([0x6fff_fffb, 1]), guest()), 'ELF_TYPE', message);
    expect(load(named([0x6fff_fffb, 0x0800_0001]), guest()).format).toBe('elf');
  });

  test('refuses a library by its missing entry point: the ELF header is at address 0', () => {
    const segment = { vaddr: 0n, bytes: new Uint8Array(64) };
    const library = (from: number) => {
      const file = elf({ type: 3, entry: 0n, segments: [segment, { vaddr: 0x1000n, bytes: Uint8Array.of(0xf4) }] });
      viewOf(file).setBigUint64(64 + 8, BigInt(from), true);
      return file;
    };
    refused(
      () => load(library(0), guest()),
      'ELF_TYPE',
      /e_entry .* is 0x0, expected the entry point; .*shared library/,
    );
    expect(load(library(0), guest(64, { entry: 0x10_1000 })).entry.rip).toBe(0x10_1000n);
    expect(load(library(176), guest()).entry.rip).toBe(0x10_0000n);
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
