import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { guest } from './build.ts';
import { refused } from './refused.ts';

function bootSector(size = 512): Uint8Array {
  const file = new Uint8Array(size);
  file.set([0xfa, 0xf4]);
  file.set([0x55, 0xaa], 510);
  return file;
}

describe('boot sector', () => {
  test('512 bytes at 0:7c00 with the first hard disk in dl', () => {
    const image = load(bootSector(), guest());
    expect(image.format).toBe('boot-sector');
    expect(image.segments[0]).toMatchObject({ gpa: 0x7c00, memSize: 512 });
    expect(image.segments.slice(1).map(({ name }) => name)).toEqual([
      'BIOS: interrupt vectors',
      'BIOS: data area',
      'BIOS: extended data area',
      'BIOS: blank screen',
      'BIOS: code',
    ]);
    expect(image.entry).toEqual({
      mode: 'real',
      rip: 0x7c00n,
      cs: { selector: 0, base: 0 },
      regs: { rdx: 0x80n, rsp: 0x7c00n },
      interrupts: true,
    });
    expect(image.notes).toEqual([]);
  });

  test('of a larger disk image only the first sector is loaded, and that is told', () => {
    const image = load(bootSector(4096), guest(64, { format: 'boot-sector' }));
    expect(image.segments[0]!.bytes).toHaveLength(512);
    expect(image.notes).toEqual([
      'only the first 512 of 4096 bytes are loaded, and there is no disk: --format disk boots it from one',
    ]);
  });

  test('refusals', () => {
    const asked = guest(64, { format: 'boot-sector' });
    refused(
      () => load(new Uint8Array(512), asked),
      'BOOT_SECTOR',
      /signature at file offset 0x1fe is 0x0, expected bytes 55 aa at 510/,
    );
    const half = new Uint8Array(512);
    half[510] = 0x55;
    refused(() => load(half, asked), 'BOOT_SECTOR', /is 0x55, expected/);
    refused(() => load(Uint8Array.of(0xf4), asked), 'BOOT_SECTOR', /is a file of 1 bytes/);
  });

  test('a command line and modules are told to be of no use', () => {
    expect(load(bootSector(), guest(64, { format: 'boot-sector', cmdline: 'x' })).notes).toEqual([
      'command line and modules ignored: a boot sector has no way to take them',
    ]);
  });
});
