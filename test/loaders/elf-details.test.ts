import { describe, expect, test } from 'vitest';
import { readElf } from '../../loaders/elf/header.ts';
import { pvhEntry, readNotes } from '../../loaders/elf/notes.ts';
import { readSections } from '../../loaders/elf/sections.ts';
import { load } from '../../loaders/index.ts';
import { elf, guest, join, note, padTo, quads, words } from './build.ts';

const LOAD = { vaddr: 0x10_0000n, bytes: new Uint8Array(64) };

const notesOf = (file: Uint8Array) => {
  const read = readElf(file);
  return readNotes(read, readSections(read).sections);
};

describe('notes', () => {
  const pvh = note('Xen', 18, words(0x10_0010));

  test('every PT_NOTE segment is scanned, not only the last or the first', () => {
    for (const order of [
      [pvh, note('GNU', 3, words(1))],
      [note('GNU', 3, words(1)), pvh],
    ]) {
      const file = elf({ segments: [LOAD, ...order.map((bytes) => ({ type: 4, bytes }))] });
      expect(pvhEntry(notesOf(file))?.entry).toBe(0x10_0010);
    }
  });

  test('a note section without a segment counts', () => {
    const section = { name: '.notes', type: 7, bytes: pvh, align: 4 };
    expect(notesOf(elf({ segments: [LOAD], sections: [section] }))).toHaveLength(1);
  });

  test('a note that two tables hold is found once', () => {
    const again = { type: 4, inside: { segment: 1, at: 0, size: pvh.length } };
    expect(notesOf(elf({ segments: [LOAD, { type: 4, bytes: pvh }, again] }))).toHaveLength(1);
  });

  test('names and descriptions are padded to 4 bytes, or to 8 where the segment says so', () => {
    for (const align of [4, 8]) {
      const bytes = join(note('AB', 1, Uint8Array.of(1), align), note('Xen', 18, quads(0x1234n), align));
      const file = elf({ segments: [LOAD, { type: 4, bytes, align: BigInt(align) }] });
      expect(notesOf(file).map((n) => [n.owner, n.type, n.description.length])).toEqual([
        ['AB', 1, 1],
        ['Xen', 18, 8],
      ]);
    }
  });

  test('a note that runs past its segment ends the walk', () => {
    const file = elf({ segments: [LOAD, { type: 4, bytes: join(pvh, words(4, 0xffff_fff0, 1)) }] });
    expect(notesOf(file)).toHaveLength(1);
  });

  test('a 64-bit PVH entry is read whole', () => {
    const file = elf({ segments: [LOAD, { type: 4, bytes: note('Xen', 18, quads(0x1_0000_0010n)) }] });
    expect(pvhEntry(notesOf(file))?.entry).toBe(0x1_0000_0010);
  });
});

describe('a program header with nothing in the file', () => {
  test.each([1, 2, 3, 4])('of type %d may have an offset behind the end', (type) => {
    const file = elf({ segments: [LOAD, { type, vaddr: 0x20_0000n, bytes: new Uint8Array(0), memsz: 0x1000 }] });
    new DataView(file.buffer, file.byteOffset).setBigUint64(64 + 56 + 8, 0x7fff_ffffn, true);
    if (type === 3) return expect(() => load(file, { ...guest(), format: 'elf' })).toThrow(/static/);
    const { segments } = load(file, { ...guest(), format: 'elf' });
    expect(segments.map(({ gpa, memSize }) => [gpa, memSize])).toEqual(
      type === 1
        ? [
            [0x10_0000, 64],
            [0x20_0000, 0x1000],
          ]
        : [[0x10_0000, 64]],
    );
  });
});

describe('sections and symbols', () => {
  const sections = [
    { name: '.text', type: 1, flags: 6, addr: 0x10_0000n, bytes: new Uint8Array(16) },
    { name: '.bss', type: 8, flags: 3, addr: 0x10_0010n, size: 1 << 20 },
  ];
  const symbols = [
    { name: 'start', value: 0x10_0000n, size: 4, type: 0x12 },
    { name: 'counter', value: 0x10_0010n, size: 8, type: 1, section: 2 },
    { name: 'label', value: 0x10_0008n, type: 0 },
    { name: 'PORT', value: 0xf4n, section: 0xfff1 },
    { name: 'elsewhere', value: 0n, section: 0 },
    { name: 'file.c', value: 0n, type: 4 },
    { name: 'tls', value: 0n, type: 6 },
  ];

  test('places keep name, address, size, kind and section; constants, files, imports and thread-locals are left out', () => {
    const image = load(elf({ segments: [{ ...LOAD, memsz: 0x1000 }], sections, symbols }), guest());
    expect(image.symbols).toEqual([
      { name: 'start', address: 0x10_0000n, size: 4, kind: 'function', section: '.text' },
      { name: 'counter', address: 0x10_0010n, size: 8, kind: 'object', section: '.bss' },
      { name: 'label', address: 0x10_0008n, size: 0, kind: 'other', section: '.text' },
    ]);
    expect(image.symbols).toBe(image.symbols);
    expect(image.segments[0]!.name).toBe('LOAD[0] .text .bss R-X');
  });

  test('32-bit symbols', () => {
    const image = load(elf({ bits: 32, segments: [LOAD], sections, symbols: symbols.slice(0, 1) }), guest());
    expect(image.symbols).toEqual([
      { name: 'start', address: 0x10_0000n, size: 4, kind: 'function', section: '.text' },
    ]);
  });

  test('symbols of a position-independent file move with it', () => {
    const file = elf({ type: 3, segments: [{ ...LOAD, vaddr: 0n }], sections, symbols: [{ name: 'f', value: 8n }] });
    expect(load(file, guest()).symbols[0]!.address).toBe(0x10_0008n);
  });

  test('names cannot steer a terminal', () => {
    const file = elf({ segments: [LOAD], sections, symbols: [{ name: '\x1b[2Jx\n', value: 8n }] });
    expect(load(file, guest()).symbols[0]!.name).toBe('?[2Jx?');
  });

  test('a string table that every symbol repeats does not multiply', () => {
    const long = 'n'.repeat(4000);
    const file = elf({
      segments: [LOAD],
      sections,
      symbols: [{ name: long, value: 1n }, ...Array.from({ length: 2000 }, () => ({ name: '', value: 1n }))],
    });
    // Every empty name now points at the long one.
    const table = readSections(readElf(file)).sections.find((s) => s.name === '.symtab')!;
    const view = new DataView(file.buffer);
    for (let at = table.offset + 24; at < table.offset + table.fileSize; at += 24) view.setUint32(at, 1, true);
    const total = load(file, guest()).symbols.reduce((sum, s) => sum + s.name.length, 0);
    expect(total).toBeLessThan(4 * 6100 + 65_536 + 1024);
  });

  test('too many sections are ignored with a note', () => {
    const file = elf({ segments: [LOAD], sections });
    new DataView(file.buffer).setUint16(60, 5000, true);
    const image = load(padTo(file, file.length + 5000 * 64), guest());
    expect(image.notes).toEqual(['5000 sections are more than 4096: sections and symbols ignored']);
  });

  test('a section whose content is not in the file is told and carries nothing', () => {
    const file = elf({
      segments: [LOAD],
      sections: [{ name: '.x', type: 2, size: 1 << 30, bytes: new Uint8Array(1) }],
    });
    const image = load(file, guest());
    expect(image.notes).toEqual(['1 section(s) end past the file (first: section 1): ignored']);
    expect(image.symbols).toEqual([]);
  });
});
