import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { guest, MIB, padTo } from './build.ts';
import { refused } from './refused.ts';

function bootSector(size = 512): Uint8Array {
  const file = new Uint8Array(size);
  file.set([0xfa, 0xf4]);
  file.set([0x55, 0xaa], 510);
  return file;
}

function rom(size: number, ...vector: number[]): Uint8Array {
  const file = new Uint8Array(size);
  file.set(vector, size - 16);
  return file;
}

describe('boot sector', () => {
  test('512 bytes at 0:7c00 with the first hard disk in dl', () => {
    const image = load(bootSector(), guest());
    expect(image.format).toBe('boot-sector');
    expect(image.segments).toHaveLength(1);
    expect(image.segments[0]).toMatchObject({ gpa: 0x7c00, memSize: 512 });
    expect(image.entry).toEqual({ mode: 'real', rip: 0x7c00n, cs: { selector: 0, base: 0 }, regs: { rdx: 0x80n } });
    expect(image.notes).toEqual([]);
  });

  test('of a larger disk image only the first sector is loaded, and that is told', () => {
    const image = load(bootSector(4096), guest());
    expect(image.segments[0]!.bytes).toHaveLength(512);
    expect(image.notes).toEqual([
      'only the first 512 of 4096 bytes are loaded: the guest has no BIOS to read more from a disk',
    ]);
  });

  test('refusals', () => {
    const asked = guest(64, { format: 'boot-sector' });
    refused(
      () => load(new Uint8Array(512), asked),
      'BOOT_SECTOR',
      /signature at file offset 0x1fe is 0x0, expected bytes 55 aa at 510/,
    );
    refused(() => load(Uint8Array.of(0xf4), asked), 'BOOT_SECTOR', /is a file of 1 bytes/);
  });
});

describe('flat binary', () => {
  const code = Uint8Array.of(0xf4);
  const flat = (more: object) => load(code, guest(64, { format: 'flat', ...more }));

  test('defaults: real mode at 0x7c00, other modes at 1 MiB', () => {
    expect(flat({}).entry).toEqual({ mode: 'real', rip: 0x7c00n, cs: { selector: 0, base: 0 } });
    expect(flat({ mode: 'protected' }).entry).toEqual({ mode: 'protected', rip: 0x10_0000n });
    expect(flat({ mode: 'long' }).segments[0]!.gpa).toBe(0x10_0000);
  });

  test('any address, entry apart from it', () => {
    const image = flat({ mode: 'long', load: 0x20_0000, entry: 0x20_0004 });
    expect(image.entry.rip).toBe(0x20_0004n);
    expect(image.description).toBe('flat binary, 1 bytes at 0x200000, long mode');
  });

  test('real mode above 64 KiB uses the segment of the address', () => {
    expect(flat({ load: 0x2_1234 }).entry).toEqual({
      mode: 'real',
      rip: 0x1234n,
      cs: { selector: 0x2000, base: 0x2_0000 },
    });
  });

  test('refusals', () => {
    refused(
      () => flat({ load: MIB }),
      'OPTION',
      /entry address in real mode is 0x100000, expected an address below 1 MiB/,
    );
    refused(
      () => flat({ load: 2 ** 52, mode: 'long' }),
      'OPTION',
      /--load is 0x10000000000000, expected a guest-physical address/,
    );
    refused(
      () => load(new Uint8Array(2), guest(64, { format: 'flat', load: 2 ** 52 - 1, mode: 'long' })),
      'OPTION',
      /load address is 0xfffffffffffff, expected an image that ends below 2\^52/,
    );
    refused(() => flat({ entry: 2 ** 60, mode: 'long' }), 'OPTION', /--entry is 0x1000000000000000/);
    refused(() => flat({ load: -1 }), 'OPTION', /--load is -0x1/);
    refused(() => flat({ load: 1.5 }), 'OPTION', /--load is 1\.5/);
    refused(() => flat({ load: Number.NaN }), 'OPTION', /--load is NaN/);
    refused(() => flat({ mode: 'protected', entry: 2 ** 32 }), 'OPTION', /expected an address below 4 GiB/);
  });
});

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
    ['no jump', [0x90, 0x90, 0xf4], false],
    ['nops only', Array(16).fill(0x90), false],
  ])('detected only by a jump at the reset vector: %s', (_, vector, expected) => {
    const found = () => load(rom(65_536, ...vector), guest()).format;
    if (expected) expect(found()).toBe('rom');
    else refused(found, 'UNKNOWN_FORMAT', /--format rom/);
  });

  test('not detected at sizes ROMs do not have', () => {
    refused(() => load(rom(0x1_1000, 0xea), guest()), 'UNKNOWN_FORMAT', /no known guest format/);
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
});

test('options that a format has no use for are told', () => {
  const said = (file: Uint8Array, format: 'flat' | 'rom' | 'boot-sector') =>
    load(file, guest(64, { format, cmdline: 'x' })).notes.join();
  expect(said(bootSector(), 'boot-sector')).toMatch(/a boot sector has no way to take them/);
  expect(said(padTo(new Uint8Array(), 4096), 'rom')).toMatch(/a ROM has no way/);
  expect(said(Uint8Array.of(1), 'flat')).toMatch(/a flat binary has no way/);
});
