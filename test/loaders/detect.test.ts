import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { detect, FORMATS, load } from '../../loaders/index.ts';
import { bzImage, elf, guest, multiboot1, multiboot2, note, padTo, words } from './build.ts';
import { refused } from './refused.ts';

const text = (s: string) => Buffer.from(s, 'latin1');
const at = (offset: number, content: Uint8Array, size = offset + content.length) => {
  const file = new Uint8Array(size);
  file.set(content, offset);
  return file;
};
const LOAD = { vaddr: 0x10_0000n, bytes: new Uint8Array(64) };
const machine = (value: number) => {
  const file = elf({ segments: [LOAD] });
  file[18] = value & 0xff;
  file[19] = value >> 8;
  return file;
};

describe('detect', () => {
  test.each([
    ['elf', elf({ segments: [LOAD] })],
    ['elf', elf({ segments: [LOAD] }).slice(0, 70)],
    ['elf-pvh', elf({ segments: [LOAD, { type: 4, bytes: note('Xen', 18, words(0x10_0000)) }] })],
    ['linux', elf({ segments: [LOAD, { type: 4, bytes: note('Linux', 0x101, words(0)) }] })],
    ['linux', bzImage()],
    ['multiboot1', elf({ segments: [{ ...LOAD, bytes: multiboot1(0) }] })],
    ['multiboot1', padTo(multiboot1(0x1_0000, 0, 0, 0, 0, 0), 100)],
    ['multiboot2', elf({ segments: [{ ...LOAD, bytes: multiboot2([]) }] })],
  ])('guest format %s', (format, file) => {
    expect(detect(file)).toEqual({ kind: 'guest', format });
  });

  test('a Multiboot header with a wrong checksum, unaligned, or too far into the file is none', () => {
    const wrong = words(0x1badb002, 0, 0);
    const unaligned = at(2, multiboot1(0), 64);
    const far = at(8192 - 8, multiboot1(0), 16_384);
    for (const bytes of [wrong, unaligned, far]) expect(detect(bytes).kind).toBe('unknown');
  });

  test.each([
    ['Mach-O', Uint8Array.of(0xcf, 0xfa, 0xed, 0xfe), /ELF toolchain/],
    ['Mach-O universal or Java class', Uint8Array.of(0xca, 0xfe, 0xba, 0xbe), /ELF toolchain/],
    ['shell script', text('#!/bin/sh\n'), /the program the script would run/],
    ['ELF for AArch64', machine(183), /build the guest for x86/],
    ['ELF for machine 4660', machine(0x1234), /x86/],
    ['xz', Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0), /xz -d/],
    ['bzip2', text('BZh9'), /bzip2 -d/],
    ['LZ4 (legacy)', Uint8Array.of(2, 0x21, 0x4c, 0x18), /lz4 -d/],
    ['tar archive', at(257, text('ustar\0'), 512), /tar -xf/],
    ['Debian package or ar archive', text('!<arch>\ndebian-binary'), /dpkg -x/],
    ['cpio archive', text('070701000000'), /--module/],
    ['QCOW2 disk image', text('QFI\xfb\0\0\0\x03'), /qemu-img convert -O raw DISK disk.img/],
    ['text', text('int main(void) { return 0; }\n'), /source or notes/],
    ['text', Buffer.from('Grüße aus dem Gast\n'.repeat(400)), /source or notes/],
    ['empty file', new Uint8Array(), /nothing to load/],
  ])('%s is named, with what to do', (name, file, advice) => {
    const found = detect(file);
    expect(found).toMatchObject({ kind: 'other', name });
    if (found.kind === 'other') expect(found.advice).toMatch(advice);
    if (file.length > 0)
      refused(
        () => load(file, guest()),
        'OTHER_FORMAT',
        new RegExp(`not a guest image but ${name.replace(/[()]/g, '\\$&')}: `),
      );
  });

  test('wrapped', () => {
    expect(detect(gzipSync(Uint8Array.of(1)))).toEqual({ kind: 'wrapped', wrapper: 'gzip' });
  });

  test('a CD is a disk, and so is what has a partition table, whatever a boot loader left behind it', () => {
    expect(detect(at(0x8001, text('CD001')))).toEqual({ kind: 'guest', format: 'disk' });
    const file = new Uint8Array(4096);
    file.set([0x02, 0xb0, 0xad, 0x1b, 0, 0, 0, 0, 0xfe, 0x4f, 0x52, 0xe4], 1024); // GRUB's own Multiboot header
    expect(detect(file)).toEqual({ kind: 'guest', format: 'multiboot1' });
    file.set([0x80, 0, 2, 0, 0x83, 15, 63, 0, 1, 0, 0, 0, 7, 0, 0, 0], 446);
    file.set([0x55, 0xaa], 510);
    expect(detect(file)).toEqual({ kind: 'guest', format: 'disk' });
  });

  test('anything else is unknown, and the message says how to load it', () => {
    expect(detect(Uint8Array.of(0xf4)).kind).toBe('unknown');
    refused(
      () => load(Uint8Array.of(0xf4), guest()),
      'UNKNOWN_FORMAT',
      /--format flat --load ADDRESS --mode real\|protected\|long/,
    );
    refused(() => load(new Uint8Array(), guest()), 'EMPTY', /the image is empty/);
  });

  test('--format takes these names', () => {
    expect([...FORMATS].sort()).toEqual([
      'boot-sector',
      'disk',
      'elf',
      'elf-pvh',
      'flat',
      'linux',
      'linux16',
      'linux32',
      'multiboot1',
      'multiboot2',
      'rom',
    ]);
  });
});
