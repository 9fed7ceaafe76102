import { describe, expect, test } from 'vitest';
import { stringAt } from '../../loaders/bytes.ts';
import type { GuestImage } from '../../loaders/image.ts';
import { load } from '../../loaders/index.ts';
import { HVM_MEMMAP, HVM_MODULE, HVM_START_INFO } from '../../loaders/pvh.ts';
import { elf, guest, memoryMap, note, words } from './build.ts';
import { refused } from './refused.ts';

const kernel = (entry = 0x10_0010) =>
  elf({
    segments: [
      { vaddr: 0xffff_ffff_8010_0000n, paddr: 0x10_0000n, bytes: new Uint8Array(64), memsz: 0x2000 },
      { type: 4, bytes: note('Xen', 18, words(entry)) },
    ],
  });

const at = (image: GuestImage, gpa: bigint | number): Uint8Array => {
  const segment = image.segments.find((s) => gpa >= s.gpa && gpa < s.gpa + s.memSize)!;
  return segment.bytes.subarray(Number(gpa) - segment.gpa);
};

describe('PVH', () => {
  test('protected mode at the note, ebx = hvm_start_info version 1', () => {
    const modules = [{ name: 'initrd one', bytes: new Uint8Array(100) }];
    const image = load(kernel(), guest(64, { cmdline: 'quiet', modules }));
    expect(image.format).toBe('elf-pvh');
    expect(image.description).toContain('PVH entry 0x100010');
    expect(image.entry).toMatchObject({ mode: 'protected', rip: 0x10_0010n });
    const info = HVM_START_INFO.over(at(image, image.entry.regs!.rbx!));
    expect([info.magic, info.version, info.nr_modules]).toEqual([0x336ec578, 1, 1]);
    expect(stringAt(at(image, info.cmdline_paddr), 0)).toBe('quiet');
    const module = HVM_MODULE.over(at(image, info.modlist_paddr));
    expect([module.paddr, module.size]).toEqual([0x10_2000n, 100n]);
    expect(stringAt(at(image, module.cmdline_paddr), 0)).toBe('initrd one');
    const map = at(image, info.memmap_paddr);
    expect(
      Array.from({ length: info.memmap_entries }, (_, i) => {
        const { addr, size, type } = HVM_MEMMAP.over(map, i * HVM_MEMMAP.size);
        return { base: Number(addr), size: Number(size), type };
      }),
    ).toEqual(memoryMap(64));
  });

  test('the root pointer of ACPI tables goes into hvm_start_info', () => {
    const image = load(kernel(), guest());
    const patches = image.acpi!({ gpa: 0xe_0000, bytes: new Uint8Array(36) });
    expect(patches).toEqual([
      { gpa: Number(image.entry.regs!.rbx!) + 32, bytes: Uint8Array.of(0, 0, 14, 0, 0, 0, 0, 0) },
    ]);
  });

  test('without modules the module list is null', () => {
    const image = load(kernel(), guest());
    expect(HVM_START_INFO.over(at(image, image.entry.regs!.rbx!)).modlist_paddr).toBe(0n);
  });

  test('the entry of a position-independent kernel moves with it', () => {
    const file = elf({
      type: 3,
      segments: [
        { vaddr: 0n, bytes: new Uint8Array(64) },
        { type: 4, bytes: note('Xen', 18, words(0x10)) },
      ],
    });
    expect(load(file, guest()).entry.rip).toBe(0x10_0010n);
  });

  test('--format elf starts the same file as plain ELF', () => {
    expect(load(kernel(), guest(64, { format: 'elf' })).entry).toEqual({ mode: 'long', rip: 0x10_0000n });
  });
});

describe('PVH refusals', () => {
  test('no note', () => {
    const file = elf({ segments: [{ vaddr: 0x10_0000n, bytes: new Uint8Array(4) }] });
    refused(
      () => load(file, guest(64, { format: 'elf-pvh' })),
      'PVH',
      /XEN_ELFNOTE_PHYS32_ENTRY .* is missing.*--format elf/,
    );
  });

  test('an entry in no segment', () => {
    refused(() => load(kernel(0x5000_0000), guest()), 'ELF_ENTRY', /PVH note at 0x[0-9a-f]+: entry .* is 0x50000000/);
  });

  test('an entry above 4 GiB', () => {
    const file = elf({
      segments: [
        { vaddr: 0x1_0000_0000n, bytes: new Uint8Array(64) },
        { type: 4, bytes: note('Xen', 18, words(0x10, 1)) },
      ],
    });
    refused(() => load(file, guest(8192)), 'PVH', /PVH entry .* is 0x100000010, expected below 4 GiB/);
  });
});
