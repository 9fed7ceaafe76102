import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { guest, MIB } from './build.ts';
import { refused } from './refused.ts';

function rom(size: number, ...vector: number[]): Uint8Array {
  const file = new Uint8Array(size);
  file.set(vector, size - 16);
  return file;
}

describe('ROM', () => {
  test('ends at 4 GiB, its last 128 KiB also below 1 MiB, starts at the reset vector', () => {
    const file = rom(256 * 1024, 0xea, 0x5b, 0xe0, 0x00, 0xf0);
    const image = load(file, guest());
    expect(image.format).toBe('rom');
    expect(image.segments.map(({ gpa, memSize, rom }) => ({ gpa, memSize, rom }))).toEqual([
      { gpa: 0xe_0000, memSize: 0x2_0000, rom: undefined },
      { gpa: 0xfffc_0000, memSize: 0x4_0000, rom: true },
    ]);
    expect(image.segments[0]!.bytes.at(-16)).toBe(0xea);
    expect(image.entry).toEqual({ mode: 'real', rip: 0xfff0n, cs: { selector: 0xf000, base: 0xffff_0000 } });
  });

  test('a small ROM is copied whole', () => {
    const image = load(new Uint8Array(4096), guest(64, { format: 'rom' }));
    expect(image.segments.map((s) => s.gpa)).toEqual([0xf_f000, 0xffff_f000]);
  });

  test.each([
    ['far jump', [0xea], true],
    ['near jump after cli, cld', [0xfa, 0xfc, 0xe9], true],
    ['jump after wbinvd', [0x0f, 0x09, 0xe9], true],
    ['UEFI: mov eax, cr0; test al, 1', [0x0f, 0x20, 0xc0, 0xa8, 0x01], true],
    ['mov eax, cr0 and something else', [0x0f, 0x20, 0xc0, 0x90, 0x90], false],
    ['no jump', [0x90, 0x90, 0xf4], false],
    ['nops only', Array(16).fill(0x90), false],
  ])('detected only by a jump at the reset vector: %s', (_, vector, expected) => {
    const found = () => load(rom(65_536, ...vector), guest()).format;
    if (expected) expect(found()).toBe('rom');
    else refused(found, 'UNKNOWN_FORMAT', /--format rom/);
  });

  const CODE_AT = 0x1_1000 - 0x100;
  test.each([
    ['UEFI firmware', [0x0f, 0x20, 0xc0, 0xa8, 0x01], true],
    ['a near jump back to code', [0x90, 0xe9, 0x0c, 0xff], true],
    ['a far jump to code in segment f000', [0xea, 0x00, 0xff, 0x00, 0xf0], true],
    ['a near jump back to zeroes', [0x90, 0xe9, 0x00, 0xfe], false],
    ['a near jump forward', [0xe9, 0x02, 0x00, 0x90, 0x90, 0x90], false],
    ['a far jump to zeroes', [0xea, 0x00, 0xfe, 0x00, 0xf0], false],
    ['a far jump through another segment', [0xea, 0x00, 0xff, 0x00, 0xe0], false],
  ])('at a size that is no power of two: %s', (_, vector, expected) => {
    const file = rom(0x1_1000, ...vector);
    file[CODE_AT] = 0xfa;
    const found = () => load(file, guest()).format;
    if (expected) expect(found()).toBe('rom');
    else refused(found, 'UNKNOWN_FORMAT', /no known guest format/);
  });

  test('not detected at sizes that are no multiple of 4 KiB', () => {
    refused(
      () => load(rom(0x1_1200, 0x0f, 0x20, 0xc0, 0xa8, 0x01), guest()),
      'UNKNOWN_FORMAT',
      /no known guest format/,
    );
  });

  test('refusals', () => {
    const asked = guest(64, { format: 'rom' });
    refused(
      () => load(new Uint8Array(5000), asked),
      'ROM',
      /ROM: size is 5000 bytes, expected a multiple of 4 KiB up to 16 MiB; pad the image at its beginning to 8192 bytes/,
    );
    refused(() => load(new Uint8Array(17 * MIB), asked), 'ROM', /17825792 bytes/);
  });

  test('a command line and modules are told to be of no use', () => {
    expect(load(new Uint8Array(4096), guest(64, { format: 'rom', cmdline: 'x' })).notes).toEqual([
      'command line and modules ignored: a ROM has no way to take them',
    ]);
  });
});
