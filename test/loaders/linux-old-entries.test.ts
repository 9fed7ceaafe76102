/** The 16-bit and the 32-bit boot protocol of Linux. What they start is tried with real guests. */
import { describe, expect, test } from 'vitest';
import { stringAt } from '../../loaders/bytes.ts';
import type { GuestImage } from '../../loaders/image.ts';
import { checkPlan, detect, load } from '../../loaders/index.ts';
import { BOOT_PARAMS, type BootParams } from '../../loaders/linux/setup-header.ts';
import { ramRanges } from '../../src/memory/layout.ts';
import { bzImage, guest, MIB } from './build.ts';
import { refused } from './refused.ts';

const at = (image: GuestImage, gpa: number): Uint8Array => {
  const segment = image.segments.find((s) => gpa >= s.gpa && gpa < s.gpa + s.memSize)!;
  return segment.bytes.subarray(gpa - segment.gpa);
};

/** A kernel without a 64-bit entry, and with these fields. */
const old = (fields: Partial<BootParams> = {}) =>
  bzImage(4096, (header) => Object.assign(header, { xloadflags: 0, pref_address: 0x10_0000n }, fields));

/** Its setup header in guest memory. */
function headerOf(image: GuestImage) {
  const page = new Uint8Array(BOOT_PARAMS.size);
  page.set(at(image, 0x9_0000).subarray(0, BOOT_PARAMS.size));
  return BOOT_PARAMS.over(page);
}

describe('linux16', () => {
  test('is what a kernel without a 64-bit entry is taken for', () => {
    expect(detect(old())).toEqual({ kind: 'guest', format: 'linux16' });
    expect(detect(bzImage())).toEqual({ kind: 'guest', format: 'linux' });
  });

  test('setup code at 0x90000 that knows its loader, its heap and its command line; the kernel at 1 MiB; a BIOS', () => {
    const file = old();
    file.fill(0xcc, 0x270, 0x400);
    const image = load(file, guest(64, { cmdline: 'console=ttyS0' }));
    expect(image.description).toBe('Linux bzImage, boot protocol 2.15, started in real mode, 4 KiB at 0x100000');
    expect(image.entry).toMatchObject({ mode: 'real', rip: 0x7c00n, regs: { rdx: 0x80n } });
    const header = headerOf(image);
    expect(header).toMatchObject({
      type_of_loader: 0xff,
      loadflags: 0x81,
      heap_end_ptr: 0xde00,
      cmd_line_ptr: 0x9_e000,
    });
    expect([header.ramdisk_image, header.ramdisk_size]).toEqual([0, 0]);
    expect(stringAt(at(image, 0x9_e000), 0)).toBe('console=ttyS0');
    // What is no header is as in the file.
    expect([...at(image, 0x9_0270).subarray(0, 0x190)]).toEqual(new Array(0x190).fill(0xcc));
    expect(at(image, 0x10_0000).length).toBe(4096);
    expect(image.segments.some(({ name }) => name === 'BIOS: interrupt vectors')).toBe(true);
    expect(image.reserved).toEqual([
      { gpa: 0x10_1000, size: MIB - 4096, name: 'room the kernel unpacks into (init_size)' },
    ]);
    checkPlan(image, ramRanges(64 * MIB));
  });

  test('an initial RAM disk lies high, and the header says where', () => {
    const modules = [{ name: 'initrd', bytes: new Uint8Array(5000).fill(7) }];
    const header = headerOf(load(old(), guest(64, { modules })));
    expect([header.ramdisk_image, header.ramdisk_size]).toEqual([64 * MIB - 0x2000, 5000]);
  });

  test('a file of an old protocol has no later fields: what lies there is its code, and stays', () => {
    const file = old({ version: 0x0203, syssize: 0xffff_0000, setup_sects: 0 });
    const longer = new Uint8Array(5 * 512 + 4096);
    longer.set(file);
    longer.fill(0xcc, 0x230, 0x280);
    const image = load(longer, guest(64));
    expect(image.reserved).toEqual([]);
    expect(
      at(image, 0x9_0230)
        .subarray(0, 0x50)
        .every((byte) => byte === 0xcc),
    ).toBe(true);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['a protocol without cmd_line_ptr', old({ version: 0x0201 }), /version .* is 0x201, expected at least 0x202/],
    ['a zImage', old({ loadflags: 0 }), /loadflags .* expected LOADED_HIGH/],
    [
      'a long command line for its version',
      old({ version: 0x0204 }),
      /command line is 300 bytes, expected at most 255/,
    ],
  ])('refuses %s', (_, file, message) => {
    refused(() => load(file, guest(64, { cmdline: 'x'.repeat(300) })), 'LINUX', message);
  });

  test('refuses a command line that would reach the data of the BIOS, whatever the kernel takes', () => {
    const file = old({ cmdline_size: 0xffff_ffff });
    const most = 0x9_fc00 - 0x9_e000 - 1;
    expect(load(file, guest(64, { cmdline: 'x'.repeat(most) })).format).toBe('linux16');
    const message = new RegExp(`command line is ${most + 1} bytes, expected at most ${most}`);
    refused(() => load(file, guest(64, { cmdline: 'x'.repeat(most + 1) })), 'LINUX', message);
  });

  test('refuses setup code that reaches its own heap', () => {
    const file = new Uint8Array(200 * 512);
    file.set(old({ setup_sects: 150 }));
    refused(() => load(file, guest(64)), 'LINUX', /setup_sects .* is 0x96, expected at most 63/);
  });
});

describe('linux32', () => {
  test('protected mode, at the first byte of the kernel; rsi = boot_params', () => {
    const image = load(old(), guest(64, { format: 'linux32', cmdline: 'quiet' }));
    expect(image.format).toBe('linux32');
    expect(image.entry).toMatchObject({ mode: 'protected', rip: 0x10_0000n });
    const params = BOOT_PARAMS.over(at(image, Number(image.entry.regs!.rsi)));
    expect([params.header, params.code32_start]).toEqual([0x53726448, 0x10_0000]);
    expect(stringAt(at(image, params.cmd_line_ptr), 0)).toBe('quiet');
    checkPlan(image, ramRanges(64 * MIB));
  });

  test('takes a 64-bit kernel, too', () => {
    expect(load(bzImage(), guest(64, { format: 'linux32' })).entry).toMatchObject({
      mode: 'protected',
      rip: 0x100_0000n,
    });
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['an old protocol', old({ version: 0x0205 }), /version .* expected at least 0x206 .*--format linux16/],
    ['what starts in real mode only', old({ code32_start: 0 }), /code32_start .* real mode only/],
  ])('refuses %s', (_, file, message) => {
    refused(() => load(file, guest(64, { format: 'linux32' })), 'LINUX', message);
  });
});
