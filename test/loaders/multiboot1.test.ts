import { describe, expect, test } from 'vitest';
import { stringAt } from '../../loaders/bytes.ts';
import type { GuestImage } from '../../loaders/image.ts';
import { load } from '../../loaders/index.ts';
import {
  MULTIBOOT1_ELF_SECTIONS,
  MULTIBOOT1_INFO,
  MULTIBOOT1_MMAP,
  MULTIBOOT1_MODULE,
} from '../../loaders/multiboot1.ts';
import { elf, guest, join, memoryMap, multiboot1, padTo } from './build.ts';
import { refused } from './refused.ts';

const kernel = (bits: 32 | 64, flags = 3) =>
  elf({
    bits,
    entry: 0x10_0020n,
    segments: [{ vaddr: 0x10_0000n, bytes: padTo(multiboot1(flags), 64), memsz: 0x2000 }],
  });

/** Reads guest memory as the plan would leave it. */
const at = (image: GuestImage, gpa: number): Uint8Array => {
  const segment = image.segments.find((s) => gpa >= s.gpa && gpa < s.gpa + s.memSize)!;
  return segment.bytes.subarray(gpa - segment.gpa);
};

const infoOf = (image: GuestImage) => MULTIBOOT1_INFO.over(at(image, Number(image.entry.regs!.rbx)));

describe('Multiboot 1', () => {
  test.each([32, 64] as const)('ELF%i: protected mode, eax and ebx', (bits) => {
    const image = load(kernel(bits), guest());
    expect(image.format).toBe('multiboot1');
    expect(image.entry).toMatchObject({
      mode: 'protected',
      rip: 0x10_0020n,
      regs: { rax: 0x2badb002n, rbx: 0x9_f000n },
    });
    expect(image.segments[0]).toMatchObject({ gpa: 0x10_0000, memSize: 0x2000 });
  });

  test('memory, command line, loader name, map', () => {
    const image = load(kernel(32), guest(64, { cmdline: 'console=com0 é' }));
    const info = infoOf(image);
    expect(info.flags).toBe(0x1 | 0x4 | 0x8 | 0x40 | 0x200);
    expect([info.mem_lower, info.mem_upper]).toEqual([639, 63 * 1024]);
    expect(stringAt(at(image, info.cmdline), 0)).toBe('console=com0 é');
    expect(stringAt(at(image, info.boot_loader_name), 0)).toBe('vmlapse');
    const entries = Array.from({ length: info.mmap_length / MULTIBOOT1_MMAP.size }, (_, i) =>
      MULTIBOOT1_MMAP.over(at(image, info.mmap_addr), i * MULTIBOOT1_MMAP.size),
    );
    expect(entries.map((e) => ({ base: Number(e.addr), size: Number(e.len), type: e.type }))).toEqual(memoryMap(64));
    expect(entries.every((e) => e.size === 20)).toBe(true);
  });

  test('modules: page-aligned above the kernel, listed with their names', () => {
    const modules = [
      { name: 'one', bytes: new Uint8Array(5000).fill(1) },
      { name: 'two', bytes: new Uint8Array(1).fill(2) },
    ];
    const image = load(kernel(32), guest(64, { modules }));
    const info = infoOf(image);
    expect(info.mods_count).toBe(2);
    const [one, two] = [0, 1].map((i) => MULTIBOOT1_MODULE.over(at(image, info.mods_addr), i * MULTIBOOT1_MODULE.size));
    expect([one!.mod_start, one!.mod_end]).toEqual([0x10_2000, 0x10_2000 + 5000]);
    expect([two!.mod_start, two!.mod_end]).toEqual([0x10_4000, 0x10_4001]);
    expect(stringAt(at(image, two!.string), 0)).toBe('two');
    expect(at(image, two!.mod_start)[0]).toBe(2);
    expect(image.segments.find((s) => s.gpa === 0x10_2000)!.bytes.buffer).toBe(modules[0]!.bytes.buffer);
  });

  test('the address fields place any file', () => {
    const header = multiboot1(0x1_0003, 0x20_0010, 0x20_0000, 0x20_0100, 0x20_1000, 0x20_0040);
    const file = padTo(join(new Uint8Array(0x30), header), 0x400);
    const image = load(file, guest());
    expect(image.segments[0]).toMatchObject({ gpa: 0x20_0000, memSize: 0x1000 });
    expect(image.segments[0]!.bytes.byteOffset - file.byteOffset).toBe(0x20);
    expect(image.segments[0]!.bytes.length).toBe(0x100);
    expect(image.entry.rip).toBe(0x20_0040n);
  });

  test('load_end_addr 0 means the whole file, bss_end_addr 0 means no BSS', () => {
    const file = padTo(multiboot1(0x1_0000, 0x10_0000, 0x10_0000, 0, 0, 0x10_0020), 0x300);
    expect(load(file, guest()).segments[0]).toMatchObject({ gpa: 0x10_0000, memSize: 0x300 });
  });

  test('address fields in an ELF file win over its program headers; its symbols are still there', () => {
    const file = elf({
      segments: [{ vaddr: 0x50_0000n, bytes: multiboot1(0x1_0000, 0x10_0078, 0x10_0000, 0, 0, 0x10_0000) }],
      sections: [{ name: '.text', type: 1, flags: 6, addr: 0x10_0000n, bytes: new Uint8Array(4) }],
      symbols: [{ name: 'start', value: 0x10_0000n }],
    });
    expect(file.length).toBeGreaterThan(0x80);
    const image = load(file, guest());
    expect(image.notes).toContain('loaded by the Multiboot address fields; the ELF program headers are not used');
    expect(image.symbols.map((s) => s.name)).toEqual(['start']);
  });

  test('ELF sections are passed with the addresses of the symbol tables', () => {
    const file = elf({
      bits: 32,
      segments: [{ vaddr: 0x10_0000n, bytes: padTo(multiboot1(3), 32) }],
      sections: [{ name: '.text', type: 1, flags: 6, addr: 0x10_0000n, bytes: new Uint8Array(4) }],
      symbols: [{ name: 'start', value: 0x10_0000n }],
    });
    const image = load(file, guest());
    const info = infoOf(image);
    expect(info.flags & 0x20).toBe(0x20);
    const table = MULTIBOOT1_ELF_SECTIONS.over(info.syms);
    expect([table.num, table.size, table.shndx]).toEqual([5, 40, 4]);
    const symtab = new DataView(at(image, table.addr).buffer, at(image, table.addr).byteOffset + 2 * 40);
    const address = symtab.getUint32(12, true);
    expect(image.segments.find((s) => s.gpa === address)?.name).toBe('section .symtab');
  });

  test('a file with more tables than any kernel has does without', () => {
    const tables = Array.from({ length: 20 }, (_, i) => ({ name: `.t${i}`, type: 3, bytes: new Uint8Array(8) }));
    const segments = [{ vaddr: 0x10_0000n, bytes: padTo(multiboot1(3), 32) }];
    expect(infoOf(load(elf({ bits: 32, segments, sections: tables.slice(0, 10) }), guest())).flags & 0x20).toBe(0x20);
    expect(infoOf(load(elf({ bits: 32, segments, sections: tables }), guest())).flags & 0x20).toBe(0);
  });

  test('the information avoids a kernel that fills low memory', () => {
    const file = elf({ bits: 32, segments: [{ vaddr: 0x1_0000n, bytes: padTo(multiboot1(3), 64), memsz: 0x8_fc00 }] });
    const image = load(file, guest());
    expect(Number(image.entry.regs!.rbx)).toBeGreaterThanOrEqual(0x10_0000);
  });

  test('a video request is ignored with a note', () => {
    expect(load(kernel(32, 7), guest()).notes).toContain('video mode request ignored: the display shows text, 80x25');
  });
});

describe('Multiboot 1 refusals', () => {
  test('unknown requirements', () => {
    refused(
      () => load(kernel(32, 0x13), guest()),
      'MULTIBOOT1',
      /flags at file offset 0x64 is 0x13, expected no requirement bits above bit 2/,
    );
  });

  test('no header', () => {
    refused(
      () => load(new Uint8Array(100), guest(64, { format: 'multiboot1' })),
      'MULTIBOOT1',
      /header .* is missing, expected one in the first 8192 bytes/,
    );
  });

  test('neither ELF nor address fields', () => {
    refused(() => load(padTo(multiboot1(3), 64), guest()), 'MULTIBOOT1', /address fields is absent/);
  });

  test.each([
    [
      'load_addr above the header',
      [0x10_0000, 0x10_0004, 0, 0, 0x10_0004],
      /load_addr at file offset 0x10 is 0x100004/,
    ],
    ['load_addr before the file', [0x10_0000, 0xf_0000, 0, 0, 0xf_0000], /load_addr .* expected 0x100000 to 0x100000/],
    [
      'load_end_addr past the file',
      [0x10_0000, 0x10_0000, 0x10_1000, 0, 0x10_0000],
      /load_end_addr .* is 0x101000, expected 0x100001 to 0x100040, where the file ends/,
    ],
    ['load_end_addr before load_addr', [0x10_0000, 0x10_0000, 0x1000, 0, 0x10_0000], /load_end_addr .* is 0x1000/],
    [
      'bss_end_addr inside the data',
      [0x10_0000, 0x10_0000, 0, 0x10_0001, 0x10_0000],
      /bss_end_addr .* is 0x100001, expected at least 0x100040/,
    ],
    ['entry outside', [0x10_0000, 0x10_0000, 0, 0, 0x20_0000], /entry_addr at file offset 0x1c is 0x200000/],
    [
      'wraps past 4 GiB',
      [0xffff_fff0, 0xffff_fff0, 0, 0, 0xffff_fff0],
      /load_addr .* expected a kernel that ends below 4 GiB/,
    ],
  ])('%s', (_, fields, message) => {
    refused(() => load(padTo(multiboot1(0x1_0000, ...fields), 64), guest()), 'MULTIBOOT1', message);
  });

  test('cut-off address fields', () => {
    refused(
      () => load(multiboot1(0x1_0000, 1), guest()),
      'TRUNCATED',
      /address fields at file offset 0xc is 4 bytes, expected 20 bytes/,
    );
  });

  test('a segment above 4 GiB', () => {
    const file = elf({ segments: [{ vaddr: 0x1_0000_0000n, bytes: padTo(multiboot1(3), 64) }] });
    refused(() => load(file, guest(8192)), 'MULTIBOOT1', /ends at 0x100000040, expected below 4 GiB/);
  });

  test('no room for a module', () => {
    const modules = [{ name: 'big', bytes: new Uint8Array(2 ** 21) }];
    refused(
      () => load(kernel(32), guest(2, { modules })),
      'NO_ROOM',
      /module big: no room for 2 MiB .* give the guest at least 4 MiB with --mem/,
    );
  });
});
