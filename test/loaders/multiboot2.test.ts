import { describe, expect, test } from 'vitest';
import { stringAt, viewOf } from '../../loaders/bytes.ts';
import type { GuestImage } from '../../loaders/image.ts';
import { load } from '../../loaders/index.ts';
import { elf, guest, join, memoryMap, multiboot2, padTo, tag2, words } from './build.ts';
import { refused } from './refused.ts';

const kernel = (...tags: Uint8Array[]) =>
  elf({
    bits: 32,
    entry: 0x10_0008n,
    segments: [{ vaddr: 0x10_0000n, bytes: padTo(multiboot2(tags), 256), memsz: 0x1000 }],
  });

/** The information tags: type -> content. */
function tagsOf(image: GuestImage): Map<number, Uint8Array> {
  const { bytes } = image.segments.find((s) => s.gpa === Number(image.entry.regs!.rbx))!;
  const view = viewOf(bytes);
  expect(view.getUint32(0, true)).toBe(bytes.length);
  const tags = new Map<number, Uint8Array>();
  for (let at = 8; at < bytes.length; at = Math.ceil((at + view.getUint32(at + 4, true)) / 8) * 8) {
    tags.set(view.getUint32(at, true), bytes.subarray(at + 8, at + view.getUint32(at + 4, true)));
  }
  return tags;
}

const u32s = (bytes: Uint8Array) =>
  Array.from({ length: bytes.length >> 2 }, (_, i) => viewOf(bytes).getUint32(i * 4, true));

describe('Multiboot 2', () => {
  test('the tag with the root pointer of ACPI tables goes before the end', () => {
    const image = load(kernel(), guest(64, { cmdline: 'a' }));
    const rsdp = Uint8Array.from({ length: 36 }, (_, i) => i + 1);
    const info = image.segments.find((s) => s.gpa === Number(image.entry.regs!.rbx))!;
    const memory = new Uint8Array(info.memSize);
    memory.set(info.bytes);
    const before = tagsOf(image);
    for (const { gpa, bytes } of image.acpi!({ gpa: 0xe_0000, bytes: rsdp })) {
      expect(gpa + bytes.length).toBeLessThanOrEqual(info.gpa + info.memSize);
      memory.set(bytes, gpa - info.gpa);
    }
    const after = tagsOf({ ...image, segments: [{ ...info, bytes: memory }] });
    expect(after.get(15)).toEqual(rsdp);
    expect([...after.keys()]).toEqual([...[...before.keys()].slice(0, -1), 15, 0]);
  });

  test('entry state and information', () => {
    const image = load(
      kernel(tag2(1, false, 4, 6)),
      guest(64, { cmdline: 'a b', modules: [{ name: 'm', bytes: words(7) }] }),
    );
    expect(image.format).toBe('multiboot2');
    expect(image.entry).toMatchObject({ mode: 'protected', rip: 0x10_0008n, regs: { rax: 0x36d76289n } });
    expect(Number(image.entry.regs!.rbx) % 8).toBe(0);
    const tags = tagsOf(image);
    expect(stringAt(tags.get(1)!, 0)).toBe('a b');
    expect(stringAt(tags.get(2)!, 0)).toBe('vmlapse');
    expect(u32s(tags.get(3)!).slice(0, 2)).toEqual([0x10_1000, 0x10_1004]);
    expect(stringAt(tags.get(3)!, 8)).toBe('m');
    expect(u32s(tags.get(4)!)).toEqual([639, 63 * 1024]);
    const map = tags.get(6)!;
    expect(u32s(map.subarray(0, 8))).toEqual([24, 0]);
    const view = viewOf(map);
    expect(
      Array.from({ length: (map.length - 8) / 24 }, (_, i) => ({
        base: Number(view.getBigUint64(8 + i * 24, true)),
        size: Number(view.getBigUint64(16 + i * 24, true)),
        type: view.getUint32(24 + i * 24, true),
      })),
    ).toEqual(memoryMap(64));
    expect(tags.get(0)).toHaveLength(0);
  });

  test('address and entry tags', () => {
    const header = multiboot2([tag2(2, false, 0x20_0000, 0x20_0000, 0, 0x20_2000), tag2(3, false, 0x20_0100)]);
    const image = load(padTo(header, 0x800), guest());
    expect(image.segments[0]).toMatchObject({ gpa: 0x20_0000, memSize: 0x2000 });
    expect(image.entry.rip).toBe(0x20_0100n);
  });

  test('a load_addr of -1 loads the file from its beginning', () => {
    const header = multiboot2([tag2(2, false, 0x20_0040, 0xffff_ffff, 0, 0), tag2(3, false, 0x20_0100)]);
    const image = load(padTo(join(new Uint8Array(0x40), header), 0x800), guest());
    expect(image.segments[0]).toMatchObject({ gpa: 0x20_0000, memSize: 0x800 });
    expect(image.segments[0]!.bytes).toHaveLength(0x800);
  });

  test('the entry tag overrides e_entry', () => {
    expect(load(kernel(tag2(3, false, 0x10_0080)), guest()).entry.rip).toBe(0x10_0080n);
  });

  test('console, framebuffer and EFI tags are ignored with notes', () => {
    const image = load(
      kernel(
        tag2(4, false, 1),
        tag2(5, true, 80, 25, 0),
        tag2(7, true),
        tag2(9, true, 0),
        tag2(6, true),
        tag2(99, true),
      ),
      guest(),
    );
    expect(image.notes.join('\n')).toMatch(/console.*\n.*framebuffer.*\n.*EFI boot.*\n.*EFI amd64/);
  });

  test('a relocatable kernel that does not fit where it was linked is moved, with its base told', () => {
    const header = multiboot2([tag2(10, false, 0x10_0000, 0xffff_ffff, 0x20_0000, 1)]);
    const file = elf({
      bits: 32,
      entry: 0x4000_0010n,
      segments: [{ vaddr: 0x4000_0000n, bytes: padTo(header, 128) }],
      sections: [{ name: '.text', type: 1, flags: 6, addr: 0x4000_0000n, bytes: new Uint8Array(4) }],
      symbols: [{ name: 'start', value: 0x4000_0010n }],
    });
    const image = load(file, guest());
    expect(image.segments[0]!.gpa).toBe(0x20_0000);
    expect(image.entry.rip).toBe(0x20_0010n);
    expect(image.symbols[0]!.address).toBe(0x20_0010n);
    expect(u32s(tagsOf(image).get(21)!)).toEqual([0x20_0000]);
    expect(image.notes).toContain('relocatable: moved from 0x40000000 to 0x200000');
    expect(load(file, guest(2048)).segments[0]!.gpa).toBe(0x4000_0000);
  });

  test('preference 2 takes the highest place', () => {
    const header = multiboot2([tag2(10, false, 0x10_0000, 0xffff_ffff, 0x1000, 2)]);
    const file = elf({ bits: 32, segments: [{ vaddr: 0x4000_0000n, bytes: padTo(header, 128), memsz: 0x1800 }] });
    expect(load(file, guest()).segments[0]!.gpa).toBe(64 * 2 ** 20 - 0x2000);
  });

  test('ELF sections', () => {
    const file = elf({
      segments: [{ vaddr: 0x10_0000n, bytes: padTo(multiboot2([]), 64) }],
      sections: [{ name: '.text', type: 1, flags: 6, addr: 0x10_0000n, bytes: new Uint8Array(4) }],
      symbols: [{ name: 'start', value: 0x10_0000n }],
    });
    const image = load(file, guest());
    const info = tagsOf(image).get(9)!;
    expect(u32s(info).slice(0, 3)).toEqual([5, 64, 4]);
    expect(image.segments.map((s) => s.name)).toContain('section .strtab');
  });

  test('it is preferred to Multiboot 1 where a kernel has both', () => {
    const both = join(multiboot2([]), words(0x1badb002, 0, -0x1badb002 >>> 0));
    expect(load(elf({ bits: 32, segments: [{ vaddr: 0x10_0000n, bytes: both }] }), guest()).format).toBe('multiboot2');
  });
});

describe('Multiboot 2 refusals', () => {
  test.each<[string, Uint8Array, string, RegExp]>([
    [
      'a demand for information there is none of',
      kernel(tag2(1, false, 14)),
      'MULTIBOOT2',
      /information request at file offset 0x[0-9a-f]+ is type 14, expected one of/,
    ],
    ['an unknown required tag', kernel(tag2(99, false)), 'MULTIBOOT2', /tag type .* is 0x63, expected a type up to 10/],
    ['a short tag', kernel(words(2, 8)), 'MULTIBOOT2', /size of tag 2 .* is 0x8, expected 24 to/],
    ['a tag past the header', kernel(words(1, 0x1000)), 'MULTIBOOT2', /size of tag 1 .* is 0x1000/],
    [
      'MIPS',
      elf({ bits: 32, segments: [{ vaddr: 0x10_0000n, bytes: padTo(multiboot2([], 4), 64) }] }),
      'MULTIBOOT2',
      /architecture .* is 4 \(MIPS\), expected 0 \(i386/,
    ],
    [
      'a header longer than the file',
      multiboot2([tag2(5, true, 80, 25, 0)]).slice(0, 20),
      'TRUNCATED',
      /header_length at file offset 0x8/,
    ],
    ['neither ELF nor address tag', padTo(multiboot2([]), 64), 'MULTIBOOT2', /address fields is absent/],
    [
      'an entry outside the kernel',
      kernel(tag2(3, false, 0x20_0000)),
      'MULTIBOOT2',
      /entry address tag is 0x200000, expected an address inside a segment/,
    ],
    [
      'an alignment that is none',
      elf({
        bits: 32,
        segments: [{ vaddr: 0x4000_0000n, bytes: padTo(multiboot2([tag2(10, false, 0, 0xffff_ffff, 3, 0)]), 128) }],
      }),
      'MULTIBOOT2',
      /relocatable tag, align .* is 0x3, expected a power of two/,
    ],
  ])('%s', (_, file, code, message) => {
    refused(() => load(file, guest()), code, message);
  });

  test('optional information that is not there is noted', () => {
    expect(load(kernel(tag2(1, true, 14)), guest()).notes).toContain('optional information of type 14 is not there');
  });

  test('no header', () => {
    refused(() => load(new Uint8Array(100), guest(64, { format: 'multiboot2' })), 'MULTIBOOT2', /first 32768 bytes/);
  });
});
