import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { elf, guest, words } from './build.ts';

const CODE = Uint8Array.of(0xf4, 0xeb, 0xfd, 0x90);

describe('plain ELF', () => {
  test('ELF64 starts in long mode at e_entry, its segments are views of the file, BSS is part of memSize', () => {
    const file = elf({ entry: 0x10_0002n, segments: [{ vaddr: 0x10_0000n, bytes: CODE, memsz: 0x3000, flags: 7 }] });
    const image = load(file, guest());
    expect(image.format).toBe('elf');
    expect(image.description).toBe('ELF64 x86-64 executable, 1 segment');
    expect(image.entry).toEqual({ mode: 'long', rip: 0x10_0002n });
    const [segment] = image.segments;
    expect(segment).toMatchObject({ gpa: 0x10_0000, memSize: 0x3000, name: 'LOAD[0] RWX' });
    expect([...segment!.bytes]).toEqual([...CODE]);
    expect(segment!.bytes.buffer).toBe(file.buffer);
  });

  test('ELF32 starts in protected mode', () => {
    const image = load(elf({ bits: 32, segments: [{ vaddr: 0x10_0000n, bytes: CODE }] }), guest());
    expect(image.entry).toEqual({ mode: 'protected', rip: 0x10_0000n });
    expect(image.description).toBe('ELF32 i386 executable, 1 segment');
  });

  test('a segment without file content is kept', () => {
    const image = load(
      elf({
        segments: [
          { vaddr: 0x10_0000n, bytes: CODE },
          { vaddr: 0x20_0000n, memsz: 0x800, flags: 6 },
        ],
      }),
      guest(),
    );
    expect(image.segments[1]).toMatchObject({ gpa: 0x20_0000, memSize: 0x800, name: 'LOAD[1] RW-' });
    expect(image.segments[1]!.bytes.length).toBe(0);
  });

  test('64-bit values are read exactly', () => {
    const high = 0xffff_ffff_8010_003cn;
    const image = load(
      elf({ entry: high, segments: [{ vaddr: high - 0x3cn, paddr: 0x10_0000n, bytes: new Uint8Array(0x100) }] }),
      guest(),
    );
    expect(image.entry.rip).toBe(0x10_003cn);
    expect(image.notes.join('\n')).toContain('entry 0xffffffff8010003c is at guest-physical 0x10003c');
  });

  test('a physical e_entry is left alone', () => {
    const image = load(
      elf({
        entry: 0x10_0010n,
        segments: [{ vaddr: 0xffff_ffff_8000_0000n, paddr: 0x10_0000n, bytes: new Uint8Array(64) }],
      }),
      guest(),
    );
    expect(image.entry.rip).toBe(0x10_0010n);
  });

  test('an executable segment wins over a data segment that holds the entry as well', () => {
    const image = load(
      elf({
        entry: 0x10_0000n,
        segments: [
          { vaddr: 0x10_0000n, paddr: 0x80_0000n, bytes: CODE, flags: 6 },
          { vaddr: 0xffff_8000_0010_0000n, paddr: 0x10_0000n, bytes: CODE, flags: 5 },
        ],
      }),
      guest(),
    );
    expect(image.entry.rip).toBe(0x10_0000n);
  });

  test('a data segment at the same virtual address does not hide the code', () => {
    const image = load(
      elf({
        entry: 0x10_0000n,
        segments: [
          { vaddr: 0x10_0000n, paddr: 0x80_0000n, bytes: CODE, flags: 6 },
          { vaddr: 0x10_0000n, paddr: 0x20_0000n, bytes: CODE, flags: 5 },
        ],
      }),
      guest(),
    );
    expect(image.entry.rip).toBe(0x20_0000n);
  });

  test('--entry and --mode override the file', () => {
    const file = elf({ bits: 32, segments: [{ vaddr: 0x7c00n, bytes: CODE }] });
    const image = load(file, guest(64, { entry: 0x7c02, mode: 'real' }));
    expect(image.entry).toEqual({ mode: 'real', rip: 0x7c02n, cs: { selector: 0, base: 0 } });
  });

  test('arguments that cannot be passed are told', () => {
    const file = elf({ segments: [{ vaddr: 0x10_0000n, bytes: CODE }] });
    expect(load(file, guest(64, { cmdline: 'x' })).notes).toEqual([
      'command line and modules ignored: plain ELF has no way to take them',
    ]);
    expect(load(file, guest(64, { load: 0x20_0000 })).notes).toEqual([expect.stringMatching(/^--load ignored/)]);
  });

  test('a section table that ends past the file costs the symbols, not the boot', () => {
    const whole = elf({
      segments: [{ vaddr: 0x10_0000n, bytes: CODE }],
      symbols: [{ name: 'start', value: 0x10_0000n }],
    });
    const image = load(whole.slice(0, whole.length - 1), guest());
    expect(image.symbols).toEqual([]);
    expect(image.notes[0]).toMatch(/section headers at 0x[0-9a-f]+ end past the file: sections and symbols ignored/);
  });
});

describe('where segments go', () => {
  const file = elf({ entry: 0x40_0000n, segments: [{ vaddr: 0x40_0000n, paddr: 0x20_0000n, bytes: CODE }] });

  test('p_paddr by default, and it is told', () => {
    const image = load(file, guest());
    expect(image.segments[0]!.gpa).toBe(0x20_0000);
    expect(image.entry.rip).toBe(0x20_0000n);
    expect(image.notes[0]).toBe('segments placed by p_paddr: p_vaddr differs (--place vaddr to change)');
  });

  test('--place vaddr', () => {
    const image = load(file, guest(64, { place: 'vaddr' }));
    expect(image.segments[0]!.gpa).toBe(0x40_0000);
    expect(image.entry.rip).toBe(0x40_0000n);
    expect(image.notes[0]).toBe('segments placed by p_vaddr, as asked');
  });

  test('p_vaddr where p_paddr is not in RAM', () => {
    const odd = elf({ segments: [{ vaddr: 0x40_0000n, paddr: 0xf000_0000n, bytes: CODE }] });
    const image = load(odd, guest());
    expect(image.segments[0]!.gpa).toBe(0x40_0000);
    expect(image.notes[0]).toBe('segments placed by p_vaddr: p_paddr is not in RAM (--place paddr to change)');
  });

  test('p_vaddr where all p_paddr are equal', () => {
    const odd = elf({
      segments: [
        { vaddr: 0x40_0000n, paddr: 0n, bytes: CODE },
        { vaddr: 0x50_0000n, paddr: 0n, bytes: words(1) },
      ],
    });
    expect(load(odd, guest()).segments.map((s) => s.gpa)).toEqual([0x40_0000, 0x50_0000]);
  });

  test('segments come out ascending, whatever their order in the file', () => {
    const file = elf({
      entry: 0x10_0000n,
      segments: [
        { vaddr: 0x30_0000n, bytes: CODE },
        { vaddr: 0x10_0000n, bytes: CODE },
      ],
    });
    expect(load(file, guest()).segments.map((s) => s.gpa)).toEqual([0x10_0000, 0x30_0000]);
  });
});
