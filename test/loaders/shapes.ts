/** One small valid image of every shape the loaders know: the seeds of the fuzz run. */
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import {
  bzImage,
  elf,
  join,
  multiboot1,
  multiboot2,
  note,
  padTo,
  quads,
  strings,
  symbolTable,
  tag2,
  words,
} from './build.ts';

const CODE = new Uint8Array(96).map((_, i) => i * 7);

const SECTIONS = [
  { name: '.text', type: 1, flags: 6, addr: 0x10_0000n, bytes: new Uint8Array(16) },
  { name: '.notes', type: 7, bytes: note('GNU', 3, words(1, 2)), align: 4 },
  { name: '.bss', type: 8, flags: 3, addr: 0x10_1000n, size: 4096 },
];
const SYMBOLS = [
  { name: 'start', value: 0x10_0000n, size: 4 },
  { name: 'counter', value: 0x10_1000n, size: 8, type: 1, section: 3 },
];

function plain(bits: 32 | 64): Uint8Array {
  return elf({
    bits,
    entry: 0x10_0004n,
    segments: [
      { vaddr: 0x10_0000n, bytes: CODE, align: 0x1000n },
      { vaddr: 0x10_1000n, bytes: words(1, 2), memsz: 0x1000, flags: 6 },
    ],
    sections: SECTIONS,
    symbols: SYMBOLS,
  });
}

/** A static-PIE with RELA, PLT and RELR tables. */
function pie(): Uint8Array {
  const names = strings(['', 'defined', 'weak']);
  const symbols = symbolTable(
    [
      { name: 'defined', value: 0x40n },
      { name: 'weak', value: 0n, section: 0, type: 0x20 },
    ],
    names.at.slice(1),
    64,
  );
  const rela = quads(0n, 8n, 0x40n, 8n, (1n << 32n) | 1n, 2n, 16n, (2n << 32n) | 6n, 0n);
  const plt = quads(24n, (1n << 32n) | 7n, 0n);
  const relr = quads(32n, 0b111n);
  const dynamic = quads(
    ...[
      7,
      0x100,
      8,
      rela.length,
      9,
      24,
      23,
      0x180,
      2,
      plt.length,
      20,
      7,
      36,
      0x1c0,
      35,
      relr.length,
      37,
      8,
      5,
      0x280,
      6,
      0x200,
      10,
      names.bytes.length,
      0,
      0,
    ].map(BigInt),
  );
  const bytes = join(
    new Uint8Array(0x100),
    padTo(rela, 0x80),
    padTo(plt, 0x40),
    padTo(relr, 0x40),
    padTo(symbols, 0x80),
    padTo(names.bytes, 0x80),
    dynamic,
  );
  return elf({
    type: 3,
    segments: [
      { vaddr: 0n, bytes, memsz: 0x2000, flags: 7, align: 0x1000n },
      { type: 2, vaddr: 0x300n, inside: { segment: 0, at: 0x300, size: dynamic.length } },
    ],
    sections: SECTIONS,
    symbols: SYMBOLS,
  });
}

function pie32(): Uint8Array {
  const bytes = join(words(5, 6), words(0, 8, 4, 8), words(17, 8, 18, 16, 19, 8, 0, 0), new Uint8Array(32));
  return elf({
    bits: 32,
    type: 3,
    segments: [
      { vaddr: 0n, bytes, flags: 7 },
      { type: 2, vaddr: 24n, inside: { segment: 0, at: 24, size: 32 } },
    ],
  });
}

const pvh = () =>
  elf({
    segments: [
      { vaddr: 0xffff_ffff_8010_0000n, paddr: 0x10_0000n, bytes: CODE, memsz: 0x2000 },
      { type: 4, bytes: join(note('GNU', 1, words(1)), note('Xen', 18, words(0x10_0010))) },
    ],
  });

const vmlinux = () =>
  elf({
    entry: 0x100_0000n,
    segments: [
      { vaddr: 0xffff_ffff_8100_0000n, paddr: 0x100_0000n, bytes: CODE },
      { type: 4, bytes: note('Linux', 0x100, words(1)) },
    ],
  });

const kernel1 = (bits: 32 | 64) =>
  elf({
    bits,
    segments: [{ vaddr: 0x10_0000n, bytes: join(multiboot1(3), CODE), memsz: 0x1000 }],
    sections: SECTIONS,
    symbols: SYMBOLS,
  });

const kernel2 = () => {
  const header = multiboot2([
    tag2(1, false, 1, 4, 6),
    tag2(3, true, 0x10_0010),
    tag2(4, true, 1),
    tag2(10, true, 0x10_0000, 0xffff_ffff, 0x1000, 1),
    tag2(6, true),
  ]);
  return elf({
    segments: [{ vaddr: 0x10_0000n, bytes: padTo(header, 256), memsz: 0x1000 }],
    sections: SECTIONS,
    symbols: SYMBOLS,
  });
};

const addressed1 = () => padTo(multiboot1(0x1_0003, 0x10_0000, 0x10_0000, 0x10_0100, 0x10_1000, 0x10_0020), 0x200);
const addressed2 = () =>
  padTo(multiboot2([tag2(2, false, 0x10_0000, 0x10_0000, 0, 0x10_2000), tag2(3, false, 0x10_0080)]), 0x200);

const bootSector = () => {
  const sector = new Uint8Array(512);
  sector.set([0xfa, 0xf4]);
  sector.set([0x55, 0xaa], 510);
  return sector;
};

const rom = () => {
  const bytes = new Uint8Array(65_536);
  bytes.set([0xea, 0x5b, 0xe0, 0, 0xf0], 65_536 - 16);
  return bytes;
};

function zstd(bytes: Uint8Array, declared: boolean): Uint8Array {
  const binding = createRequire(import.meta.url)('zstd-napi/binding.js') as typeof import('zstd-napi/binding.js');
  const context = new binding.CCtx();
  context.setParameter(binding.CParameter.contentSizeFlag, declared ? 1 : 0);
  const out = new Uint8Array(binding.compressBound(bytes.length) + 64);
  return out.slice(0, context.compress2(out, bytes));
}

/** Name and content of each seed. */
export function shapes(): readonly (readonly [name: string, bytes: Uint8Array])[] {
  return [
    ['elf32', plain(32)],
    ['elf64', plain(64)],
    ['static-pie', pie()],
    ['static-pie i386', pie32()],
    ['pvh', pvh()],
    ['vmlinux', vmlinux()],
    ['multiboot1 elf32', kernel1(32)],
    ['multiboot1 elf64', kernel1(64)],
    ['multiboot1 address fields', addressed1()],
    ['multiboot2 elf', kernel2()],
    ['multiboot2 address tag', addressed2()],
    ['bzImage', bzImage()],
    ['bzImage without a 64-bit entry', bzImage(4096, (header) => Object.assign(header, { xloadflags: 0 }))],
    ['boot sector', bootSector()],
    ['rom', rom()],
    ['gzip', new Uint8Array(gzipSync(plain(64)))],
    ['zstd', zstd(plain(64), true)],
    ['zstd stream', zstd(pie(), false)],
  ];
}
