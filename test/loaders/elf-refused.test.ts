import { describe, expect, test } from 'vitest';
import { viewOf } from '../../loaders/bytes.ts';
import { load } from '../../loaders/index.ts';
import { type ElfSpec, elf, guest } from './build.ts';
import { refused } from './refused.ts';

const SEGMENT = { vaddr: 0x10_0000n, bytes: Uint8Array.of(0xf4) };
const GOOD: ElfSpec = { segments: [SEGMENT] };
const PHDR = 64;

/** A sound file with one field changed: [offset, bytes of the field, value]. */
function damaged(
  spec: ElfSpec,
  ...changes: readonly (readonly [number, 1 | 2 | 4 | 8, number | bigint])[]
): Uint8Array {
  const file = elf(spec);
  const view = viewOf(file);
  for (const [at, size, value] of changes) {
    if (size === 8) view.setBigUint64(at, BigInt(value), true);
    else if (size === 4) view.setUint32(at, Number(value), true);
    else if (size === 2) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
  }
  return file;
}

const elfOnly = guest(64, { format: 'elf' });

const ROWS: readonly (readonly [name: string, file: Uint8Array, code: string, message: RegExp])[] = [
  [
    'no magic',
    Uint8Array.of(1, 2, 3, 4),
    'ELF_HEADER',
    /magic at file offset 0x0 is 0x1, expected 7f 45 4c 46; this is not an ELF file/,
  ],
  [
    'class',
    damaged(GOOD, [4, 1, 3]),
    'ELF_HEADER',
    /EI_CLASS at file offset 0x4 is 0x3, expected 1 \(32-bit\) or 2 \(64-bit\)/,
  ],
  [
    'big-endian',
    damaged(GOOD, [5, 1, 2]),
    'ELF_HEADER',
    /EI_DATA at file offset 0x5 is 0x2, expected 1 \(little-endian\); build the guest for x86/,
  ],
  ['ident version', damaged(GOOD, [6, 1, 0]), 'ELF_HEADER', /EI_VERSION at file offset 0x6 is 0x0/],
  [
    'short header',
    elf(GOOD).slice(0, 63),
    'TRUNCATED',
    /ELF64 header: length .* is 0x3f, expected at least 64 bytes; the file is cut off/,
  ],
  ['magic alone', elf(GOOD).slice(0, 4), 'ELF_HEADER', /EI_CLASS .* is missing/],
  [
    'AArch64',
    damaged(GOOD, [18, 2, 183]),
    'ELF_MACHINE',
    /e_machine at file offset 0x12 is 183 \(AArch64\) in an ELF64 file, expected 62 \(x86-64\)/,
  ],
  ['i386 in ELF64', damaged(GOOD, [18, 2, 3]), 'ELF_MACHINE', /is 3 \(i386\) in an ELF64 file/],
  ['version', damaged(GOOD, [20, 4, 2]), 'ELF_HEADER', /e_version at file offset 0x14 is 0x2, expected 0x1/],
  [
    'object file',
    damaged(GOOD, [16, 2, 1]),
    'ELF_TYPE',
    /e_type at file offset 0x10 is 0x1.*this is an object file: link it/,
  ],
  ['core dump', damaged(GOOD, [16, 2, 4]), 'ELF_TYPE', /this is a core dump/],
  ['other type', damaged(GOOD, [16, 2, 0xfe00]), 'ELF_TYPE', /is 0xfe00, expected 2 \(executable\) or 3/],
  [
    'no program headers',
    damaged(GOOD, [56, 2, 0]),
    'ELF_PROGRAM',
    /e_phnum at file offset 0x38 is 0x0, expected at least one program header/,
  ],
  [
    'PN_XNUM',
    damaged(GOOD, [56, 2, 0xffff]),
    'ELF_PROGRAM',
    /e_phnum .* is PN_XNUM \(65,535 or more\), expected at most 1024/,
  ],
  [
    'too many program headers',
    damaged(GOOD, [56, 2, 1025]),
    'ELF_PROGRAM',
    /e_phnum .* is 0x401, expected at most 1024/,
  ],
  ['phentsize', damaged(GOOD, [54, 2, 32]), 'ELF_PROGRAM', /e_phentsize at file offset 0x36 is 0x20, expected 56/],
  [
    'table past the file',
    damaged(GOOD, [32, 8, 0x1000]),
    'ELF_PROGRAM',
    /e_phoff at file offset 0x20 is 0x1000 \(table of 1 ends at 0x1038\), expected a table inside the file/,
  ],
  ['table at 2^63', damaged(GOOD, [32, 8, 1n << 63n]), 'ELF_PROGRAM', /e_phoff .* expected a table inside the file/],
  ['table inside the ident', damaged(GOOD, [32, 8, 0]), 'ELF_PROGRAM', /e_phoff .* is 0x0/],
  [
    'file range past the file',
    damaged(GOOD, [PHDR + 32, 8, 0x1000], [PHDR + 40, 8, 0x1000]),
    'ELF_SEGMENT',
    /program header 0 \(load\): p_offset \+ p_filesz at file offset 0x40 is 0x1080, expected at most 0x81, the size of the file/,
  ],
  ['file range wraps', damaged(GOOD, [PHDR + 8, 8, 0xffff_ffff_ffff_fff0n]), 'ELF_SEGMENT', /p_offset \+ p_filesz/],
  [
    'filesz above memsz',
    damaged(GOOD, [PHDR + 40, 8, 0]),
    'ELF_SEGMENT',
    /p_filesz .* is 0x1, expected at most p_memsz 0x0/,
  ],
  [
    'memsz of 2^52',
    damaged(GOOD, [PHDR + 40, 8, 1n << 52n]),
    'ELF_SEGMENT',
    /p_memsz .* is 0x10000000000000, expected less than 2\^52/,
  ],
  [
    'vaddr wraps',
    damaged(GOOD, [PHDR + 16, 8, 0xffff_ffff_ffff_f000n], [PHDR + 40, 8, 0x2000]),
    'ELF_SEGMENT',
    /p_vaddr \+ p_memsz .* the segment wraps around/,
  ],
  [
    'address above 2^52',
    damaged(GOOD, [PHDR + 16, 8, 1n << 60n], [PHDR + 24, 8, 1n << 60n]),
    'ELF_SEGMENT',
    /p_paddr .* is 0x1000000000000000, expected a segment that ends at or below 0x10000000000000/,
  ],
  [
    'only high addresses by vaddr',
    elf({ segments: [SEGMENT, { vaddr: 0xffff_ffff_8000_0000n, paddr: 0x10_0000n, bytes: Uint8Array.of(1) }] }),
    'OVERLAP',
    /segment LOAD\[1\] R-X is at 0x100000, expected at or above 0x100001, where segment LOAD\[0\] R-X ends/,
  ],
  ['no PT_LOAD', damaged(GOOD, [PHDR, 4, 6]), 'ELF_SEGMENT', /PT_LOAD is missing, expected at least one segment/],
  ['empty PT_LOAD', elf({ segments: [{ vaddr: 0x10_0000n }] }), 'ELF_SEGMENT', /PT_LOAD is missing/],
  [
    'entry in no segment',
    elf({ entry: 0x20_0000n, segments: [SEGMENT] }),
    'ELF_ENTRY',
    /e_entry .* is 0x200000, expected an address inside a PT_LOAD segment; name the entry point when linking/,
  ],
  [
    'interpreter',
    elf({ segments: [SEGMENT, { type: 3, bytes: Buffer.from('/lib64/ld-linux.so.2\0') }] }),
    'ELF_DYNAMIC',
    /PT_INTERP .* is "\/lib64\/ld-linux.so.2", expected none; the program wants a dynamic linker/,
  ],
  [
    'Solo5 unikernel for a tender',
    elf({ segments: [SEGMENT, { type: 3, bytes: Buffer.from('/nonexistent/solo5/\0') }] }),
    'ELF_DYNAMIC',
    /this is a Solo5 unikernel for a program of its own .*: build it for the target virtio/,
  ],
  [
    'note past the file',
    elf({ segments: [SEGMENT, { type: 4, inside: { segment: 0, at: 0, size: 0x100 } }] }),
    'ELF_SEGMENT',
    /program header 1 \(note\): p_offset/,
  ],
];

describe('ELF files that are refused', () => {
  test.each(ROWS)('%s', (_, file, code, message) => {
    const error = refused(() => load(file, elfOnly), code, message);
    expect(error.details.cure).toBeTypeOf('string');
  });

  test('overlapping segments', () => {
    const file = elf({
      segments: [
        { vaddr: 0x10_0000n, bytes: new Uint8Array(16), memsz: 0x2000 },
        { vaddr: 0x10_1fffn, bytes: new Uint8Array(16) },
      ],
    });
    refused(() => load(file, guest()), 'OVERLAP', /two segments claim the same memory/);
  });

  test('an entry above 4 GiB in protected mode', () => {
    const file = elf({ segments: [{ vaddr: 0x1_0000_0000n, bytes: Uint8Array.of(0xf4) }] });
    refused(
      () => load(file, guest(8192, { mode: 'protected' })),
      'OPTION',
      /entry address in protected mode is 0x100000000, expected an address below 4 GiB/,
    );
  });

  test('virtual placement of a kernel that is linked high', () => {
    const file = elf({ segments: [{ vaddr: 0xffff_ffff_8010_0000n, paddr: 0x10_0000n, bytes: Uint8Array.of(0xf4) }] });
    refused(
      () => load(file, guest(64, { place: 'vaddr' })),
      'ELF_SEGMENT',
      /no such physical address exists: try --place paddr/,
    );
  });
});
