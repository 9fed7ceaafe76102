import { describe, expect, test } from 'vitest';
import { stringAt } from '../../loaders/bytes.ts';
import type { GuestImage } from '../../loaders/image.ts';
import { checkPlan, load } from '../../loaders/index.ts';
import { BOOT_PARAMS } from '../../loaders/linux/setup-header.ts';
import { ramRanges } from '../../src/memory/layout.ts';
import { bzImage, elf, guest, MIB, memoryMap, note, words } from './build.ts';
import { refused } from './refused.ts';

const at = (image: GuestImage, gpa: number): Uint8Array => {
  const segment = image.segments.find((s) => gpa >= s.gpa && gpa < s.gpa + s.memSize)!;
  return segment.bytes.subarray(gpa - segment.gpa);
};

const paramsOf = (image: GuestImage) => BOOT_PARAMS.over(at(image, Number(image.entry.regs!.rsi)));

describe('bzImage', () => {
  test('long mode, 0x200 into the kernel at pref_address; rsi = boot_params with header, map and command line', () => {
    const file = bzImage();
    const image = load(file, guest(64, { cmdline: 'console=ttyS0' }));
    expect(image.format).toBe('linux');
    expect(image.description).toBe('Linux bzImage, boot protocol 2.15, 4 KiB at 0x1000000');
    expect(image.entry).toMatchObject({ mode: 'long', rip: 0x100_0200n });
    const kernel = image.segments[0]!;
    expect([kernel.gpa, kernel.bytes.length, kernel.bytes.byteOffset]).toEqual([0x100_0000, 4096, 1024]);
    expect(image.reserved).toEqual([
      { gpa: 0x100_1000, size: MIB - 4096, name: 'room the kernel unpacks into (init_size)' },
    ]);
    const params = paramsOf(image);
    expect(params.header).toBe(0x53726448);
    expect(params.version).toBe(0x020f);
    expect(params.type_of_loader).toBe(0xff);
    expect(params.code32_start).toBe(0x100_0000);
    expect(params.ramdisk_size).toBe(0);
    expect(params).toMatchObject({
      orig_video_mode: 3,
      orig_video_cols: 80,
      orig_video_lines: 25,
      orig_video_isVGA: 1,
    });
    expect(params.alt_mem_k).toBe(63 * 1024);
    expect(stringAt(at(image, params.cmd_line_ptr), 0)).toBe('console=ttyS0');
    const map = Array.from({ length: params.e820_entries }, (_, i) => params.e820_table.at(i));
    expect(map.map((e) => ({ base: Number(e.addr), size: Number(e.size), type: e.type }))).toEqual(memoryMap(64));
    checkPlan(image, ramRanges(64 * MIB));
  });

  test('nothing of the boot sector but the setup header reaches boot_params', () => {
    const file = bzImage();
    file.fill(0xcc, 0, 0x1f1);
    file.fill(0xcc, 0x26c, 0x400);
    const params = at(load(file, guest()), 0x1_0000);
    expect(params.subarray(0x12, 0x1e0).every((b) => b === 0)).toBe(true);
    expect(params.subarray(0x26c, 0x2d0).includes(0xcc) || params.subarray(0xd00).includes(0xcc)).toBe(false);
  });

  test('initrd: as high as initrd_addr_max and RAM allow, page-aligned', () => {
    const modules = [{ name: 'initrd', bytes: new Uint8Array(5000).fill(7) }];
    const high = paramsOf(load(bzImage(), guest(64, { modules })));
    expect([high.ramdisk_image, high.ramdisk_size]).toEqual([64 * MIB - 0x2000, 5000]);
    const limited = bzImage(4096, (h) => {
      h.initrd_addr_max = 0x37f_ffff;
    });
    const whole = [{ name: 'initrd', bytes: new Uint8Array(8192) }];
    expect(paramsOf(load(limited, guest(64, { modules: whole }))).ramdisk_image).toBe(0x380_0000 - 0x2000);
    expect(paramsOf(load(bzImage(), guest(4096, { modules }))).ramdisk_image).toBe(0x8000_0000 - 0x2000);
  });

  test('several modules become one RAM disk, each at a multiple of 4', () => {
    const modules = [
      { name: 'a', bytes: new Uint8Array(5).fill(1) },
      { name: 'b', bytes: new Uint8Array(3).fill(2) },
    ];
    const image = load(bzImage(), guest(64, { modules }));
    const params = paramsOf(image);
    expect(params.ramdisk_size).toBe(11);
    expect(at(image, params.ramdisk_image + 8)[0]).toBe(2);
    checkPlan(image, ramRanges(64 * MIB));
  });

  test('a relocatable kernel goes lower where pref_address does not fit', () => {
    const image = load(bzImage(), guest(16));
    expect(image.segments[0]!.gpa).toBe(2 * MIB);
    expect(image.entry.rip).toBe(BigInt(2 * MIB + 0x200));
    expect(image.notes[0]).toBe('relocatable: loaded at 0x200000 instead of 0x1000000, where it does not fit');
    expect(paramsOf(image).code32_start).toBe(2 * MIB);
  });

  test('setup_sects 0 means 4', () => {
    const file = bzImage(8192, (h) => {
      h.setup_sects = 0;
      h.syssize = 0;
    });
    expect(load(file, guest()).segments[0]!.bytes.byteOffset).toBe(5 * 512);
  });
});

describe('vmlinux', () => {
  const vmlinux = (...notes: Uint8Array[]) =>
    elf({
      entry: 0x100_0000n,
      segments: [
        { vaddr: 0xffff_ffff_8100_0000n, paddr: 0x100_0000n, bytes: new Uint8Array(64), memsz: 0x2000 },
        { vaddr: 0n, paddr: 0x100_3000n, bytes: new Uint8Array(16), flags: 6 },
        ...notes.map((bytes) => ({ type: 4, bytes })),
      ],
    });

  test('a PVH note wins; without one a Linux note means the 64-bit protocol', () => {
    expect(load(vmlinux(note('Xen', 18, words(0x100_0000)), note('Linux', 0x100, words(1))), guest()).format).toBe(
      'elf-pvh',
    );
    const image = load(vmlinux(note('Linux', 0x100, words(1))), guest(64, { cmdline: 'x' }));
    expect(image.format).toBe('linux');
    expect(image.entry).toMatchObject({ mode: 'long', rip: 0x100_0000n });
    const params = paramsOf(image);
    expect([params.boot_flag, params.header, params.type_of_loader]).toEqual([0xaa55, 0x53726448, 0xff]);
    expect(stringAt(at(image, params.cmd_line_ptr), 0)).toBe('x');
  });

  test('--format linux on any ELF64', () => {
    expect(load(vmlinux(), guest(64, { format: 'linux' })).entry.regs!.rsi).toBe(0x1_0000n);
  });

  test('a 32-bit vmlinux is refused', () => {
    const file = elf({ bits: 32, segments: [{ vaddr: 0x10_0000n, bytes: new Uint8Array(4) }] });
    refused(
      () => load(file, guest(64, { format: 'linux' })),
      'LINUX',
      /EI_CLASS at file offset 0x4 is 1 \(32-bit\), expected 2/,
    );
  });
});

describe('Linux refusals', () => {
  test.each<[string, Uint8Array, string, RegExp]>([
    ['no HdrS', new Uint8Array(4096), 'LINUX', /setup header: header at file offset 0x202 is no "HdrS"/],
    [
      'an old protocol',
      bzImage(4096, (h) => {
        h.version = 0x0207;
      }),
      'LINUX',
      /version at file offset 0x206 is 0x207, expected at least 0x20c .*--format linux16/,
    ],
    [
      'a zImage',
      bzImage(4096, (h) => {
        h.loadflags = 0;
      }),
      'LINUX',
      /loadflags .* expected LOADED_HIGH/,
    ],
    [
      'a 32-bit kernel',
      bzImage(4096, (h) => {
        h.xloadflags = 0;
      }),
      'LINUX',
      /xloadflags .* expected XLF_KERNEL_64 .*32-bit kernel: --format linux16 or linux32/,
    ],
    [
      'a cut-off kernel',
      bzImage().slice(0, 4096),
      'TRUNCATED',
      /protected-mode kernel at file offset 0x400 is 3072 bytes, expected at least 4081/,
    ],
    [
      'setup sectors past the file',
      bzImage(4096, (h) => {
        h.setup_sects = 200;
      }),
      'TRUNCATED',
      /protected-mode kernel .* is 0 bytes/,
    ],
    [
      'a fixed kernel that does not fit',
      bzImage(4096, (h) => {
        h.relocatable_kernel = 0;
        h.pref_address = 0x1000_0000n;
      }),
      'NO_ROOM',
      /init_size .* is 1 MiB at 0x10000000, expected RAM; give the guest at least 257 MiB/,
    ],
    [
      'a relocatable kernel that fits nowhere',
      bzImage(4096, (h) => {
        h.init_size = 100 * MIB;
      }),
      'NO_ROOM',
      /give the guest at least 102 MiB/,
    ],
    [
      'a preferred address of 2^63',
      bzImage(4096, (h) => {
        h.relocatable_kernel = 0;
        h.pref_address = 1n << 63n;
      }),
      'NO_ROOM',
      /init_size/,
    ],
  ])('%s', (_, file, code, message) => {
    refused(() => load(file, guest(64, { format: 'linux' })), code, message);
  });

  test('a long command line', () => {
    refused(
      () => load(bzImage(), guest(64, { cmdline: 'x'.repeat(2048) })),
      'LINUX',
      /command line is 2048 bytes, expected at most 2047 bytes/,
    );
  });

  test('an initrd that does not fit', () => {
    const modules = [{ name: 'big', bytes: new Uint8Array(62 * MIB) }];
    refused(
      () => load(bzImage(), guest(64, { modules })),
      'NO_ROOM',
      /initial RAM disk big: no room for 62 MiB .* give the guest at least \d+ MiB/,
    );
  });

  test('a memory map that boot_params cannot hold', () => {
    const map = [
      { base: 0, size: 64 * MIB, type: 1 as const },
      ...Array.from({ length: 128 }, (_, i) => ({ base: (100 + i) * MIB, size: 4096, type: 2 as const })),
    ];
    refused(() => load(bzImage(), { memoryMap: map }), 'LINUX', /memory map is 129 entries, expected at most 128/);
  });
});
