import { describe, expect, test } from 'vitest';
import { viewOf } from '../../loaders/bytes.ts';
import { detect, load } from '../../loaders/index.ts';
import { guest, join, multiboot1, multiboot2, padTo, words } from './build.ts';

const text = (s: string) => Buffer.from(s, 'latin1');
const at = (offset: number, content: Uint8Array, size = offset + content.length) => {
  const file = new Uint8Array(size);
  file.set(content, offset);
  return file;
};

const X86_64 = 0x8664;
const EFI_APPLICATION = 10;
const WINDOWS_CONSOLE = 3;

/** A PE32+ file without content. */
function pe({ machine = X86_64, subsystem = EFI_APPLICATION, sections = ['.text'] }): Uint8Array {
  const file = new Uint8Array(0x400);
  const view = viewOf(file);
  file.set(text('MZ'));
  view.setUint32(0x3c, 0x80, true);
  file.set(text('PE\0\0'), 0x80);
  view.setUint16(0x84, machine, true);
  view.setUint16(0x86, sections.length, true);
  view.setUint16(0x94, 240, true);
  view.setUint16(0x98, 0x20b, true);
  view.setUint16(0x98 + 68, subsystem, true);
  for (const [i, name] of sections.entries()) file.set(text(name), 0x98 + 240 + 40 * i);
  return file;
}

const aout = (magic: number, machine: number, textSize: number) => padTo(words(magic | (machine << 16), textSize), 64);

/** Of `blocks` times 512 bytes by its header, in a file of `size` bytes, with the sum of its bytes made 0. */
function optionRom(blocks: number, size: number, fix = 0): Uint8Array {
  const file = at(0, Uint8Array.of(0x55, 0xaa, blocks, 0xcb), size);
  file[511] = (-(0x55 + 0xaa + blocks + 0xcb) + fix) & 0xff;
  return file;
}

/** A flattened device tree whose root has one node. */
const deviceTree = (node: string) =>
  join(
    Uint8Array.of(0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 0, 0, 0, 0, 0x38),
    new Uint8Array(0x38 - 12),
    Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1),
    text(`${node}\0\0`),
  );

describe('files that are no guest are named, with the next step', () => {
  test.each([
    [
      'unified kernel image (UKI)',
      pe({ sections: ['.sdmagic', '.linux'] }),
      /objcopy -O binary --only-section=\.linux/,
    ],
    ['systemd-boot or its EFI stub', pe({ sections: ['.text', '.sdmagic'] }), /the kernel that it would start/],
    ['EFI program (PE/COFF)', pe({}), /xen\.gz/],
    ['EFI program (PE/COFF)', pe({ machine: 0x14c, subsystem: 11 }), /there is no EFI here/],
    ['Windows program (PE/COFF)', pe({ subsystem: WINDOWS_CONSOLE }), /as ELF/],
    ['PE/COFF program for another processor', pe({ machine: 0xaa64 }), /x86/],
    ['DOS program (MZ)', at(0, text('MZ'), 4096), /no DOS/],
    ['DOS program (MZ)', pe({}).slice(0, 0x90), /no DOS/],
    ['Linux Image for arm64', at(0x38, text('ARM\x64'), 4096), /x86/],
    ['Linux Image for arm64', join(text('MZ'), new Uint8Array(0x36), text('ARM\x64')), /x86/],
    ['Linux Image for RISC-V', at(0x38, text('RSC\x05'), 4096), /x86/],
    ['Linux zImage for ARM', at(0x24, words(0x016f2818), 4096), /x86/],
    ['Linux EFI zboot image (arm64, RISC-V, LoongArch)', text('MZ\0\0zimg'), /x86/],
    ['a.out program', aout(0o407, 0, 32), /ELF/],
    ['a.out program', aout(0o410, 100, 64), /--format flat/],
    ['a.out program', aout(0o413, 100, 64), /Multiboot header/],
    ['a.out program', aout(0o314, 100, 64), /ELF/],
    ['option ROM', optionRom(1, 512), /firmware calls it/],
    ['option ROM', join(optionRom(2, 1024, 0), text('more')), /firmware calls it/],
    ['Android boot image', text('ANDROID!'), /unpack_bootimg/],
    ['Android vendor boot image', text('VNDRBOOT'), /data for a kernel/],
    ['VHD disk image (fixed size)', at(4096, padTo(text('conectix'), 512)), /qemu-img convert -O raw/],
    ['VHD disk image', text('conectix'), /qemu-img convert -O raw/],
    ['VMDK disk descriptor', text('# Disk DescriptorFile\nversion=1\n'), /qemu-img/],
    ['U-Boot FIT image', deviceTree('images'), /dumpimage -T flat_dt/],
    ['device tree', deviceTree('cpus'), /data for a kernel/],
    ['UEFI firmware volume without reset vector', at(0x28, text('_FVH'), 0x1_0000), /OVMF\.fd/],
  ])('%s', (name, file, advice) => {
    const found = detect(file);
    expect(found).toMatchObject({ kind: 'other', name });
    expect((found as { advice: string }).advice).toMatch(advice);
  });

  test.each([
    ['an a.out magic number whose sizes are beyond the file', aout(0o407, 0, 65)],
    ['an a.out magic number without text', aout(0o407, 0, 0)],
    ['an a.out file for another machine', aout(0o407, 2, 32)],
    ['55 AA with a wrong sum', optionRom(1, 512, 1)],
    ['55 AA with a size beyond the file', optionRom(2, 512)],
    ['55 AA with size 0', optionRom(0, 512)],
  ])('%s is weak evidence: unknown', (_, file) => {
    expect(detect(file).kind).toBe('unknown');
  });

  test('an option ROM that names its PCI data needs no sum', () => {
    const file = optionRom(1, 512, 1);
    file[0x18] = 0x40;
    file.set(text('PCIR'), 0x40);
    expect(detect(file)).toMatchObject({ name: 'option ROM' });
  });
});

describe('a PE file with a Multiboot header', () => {
  const within = (header: Uint8Array) => {
    const file = pe({});
    file.set(header, 0x300);
    return file;
  };

  test('is a Multiboot kernel when the header says where it goes', () => {
    const fields = [0x10_0300, 0x10_0000, 0, 0, 0x10_0300];
    expect(load(within(multiboot1(0x1_0000, ...fields)), guest()).format).toBe('multiboot1');
  });

  test('else it is what the PE header says', () => {
    for (const header of [multiboot1(0), multiboot2([])])
      expect(detect(within(header))).toMatchObject({ name: 'EFI program (PE/COFF)' });
  });
});
