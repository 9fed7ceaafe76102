/** Formats that are no x86 guest image: how each is told, and what to do with such a file. */
import { isAout, isFit, isOptionRom } from './evidence.ts';
import { EFI_SUBSYSTEMS, type PeFile, readPe, X86_MACHINES } from './pe.ts';

/** A format, and one sentence for people: what to do. */
export interface Foreign {
  readonly name: string;
  readonly advice: string;
}

type Evidence = (bytes: Uint8Array) => boolean;

/** These bytes are at `at`, counted from the end where it is negative. */
function magic(at: number, wanted: string | readonly number[]): Evidence {
  const expected = typeof wanted === 'string' ? Buffer.from(wanted, 'latin1') : Uint8Array.from(wanted);
  return (bytes) => {
    const from = at < 0 ? bytes.length + at : at;
    return from >= 0 && expected.every((b, i) => bytes[from + i] === b);
  };
}

const pe =
  (fits: (file: PeFile) => boolean): Evidence =>
  (bytes) => {
    const file = readPe(bytes);
    return file !== undefined && fits(file);
  };

const unpack = (tool: string) => `unpack it first: ${tool}`;
const DISK = 'this is a file system without a boot sector: give the kernel inside it';
const DISK_FORMAT =
  'this is a disk in a format of its own: make it raw (qemu-img convert -O raw DISK disk.img), or give the kernel inside it';
const MACOS = 'a macOS program: build the guest with an ELF toolchain';
const OTHER_PROCESSOR = 'this machine runs x86 guests only: build the kernel for x86';

/** The first that fits names the file: what is more special stands before what is more general. */
const FORMATS: readonly (readonly [name: string, evidence: Evidence, advice: string])[] = [
  ['xz', magic(0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), unpack('xz -d')],
  ['bzip2', magic(0, 'BZh'), unpack('bzip2 -d')],
  ['LZ4', magic(0, [0x04, 0x22, 0x4d, 0x18]), unpack('lz4 -d')],
  ['LZ4 (legacy)', magic(0, [0x02, 0x21, 0x4c, 0x18]), unpack('lz4 -d')],
  ['lzip', magic(0, 'LZIP'), unpack('lzip -d')],
  ['LZMA', magic(0, [0x5d, 0x00, 0x00]), unpack('lzma -d')],
  ['zip archive', magic(0, 'PK\x03\x04'), unpack('unzip')],
  ['7-Zip archive', magic(0, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]), unpack('7z x')],
  ['tar archive', magic(257, 'ustar'), unpack('tar -xf')],
  ['Debian package or ar archive', magic(0, '!<arch>\n'), unpack('dpkg -x, or ar x')],
  ['cpio archive', magic(0, '0707'), 'this is an initial RAM disk: give the kernel, and this with --module'],
  ['QCOW2 disk image', magic(0, 'QFI\xfb'), DISK_FORMAT],
  ['VMDK disk image', magic(0, 'KDMV'), DISK_FORMAT],
  ['VMDK disk descriptor', magic(0, '# Disk DescriptorFile'), DISK_FORMAT],
  ['VirtualBox disk image', magic(64, [0x7f, 0x10, 0xda, 0xbe]), DISK_FORMAT],
  ['VHDX disk image', magic(0, 'vhdxfile'), DISK_FORMAT],
  ['VHD disk image', magic(0, 'conectix'), DISK_FORMAT],
  ['VHD disk image (fixed size)', magic(-512, 'conectix'), DISK_FORMAT],
  ['squashfs image', magic(0, 'hsqs'), DISK],
  ['Mach-O', magic(0, [0xcf, 0xfa, 0xed, 0xfe]), MACOS],
  ['Mach-O (32-bit)', magic(0, [0xce, 0xfa, 0xed, 0xfe]), MACOS],
  ['Mach-O universal or Java class', magic(0, [0xca, 0xfe, 0xba, 0xbe]), 'build the guest with an ELF toolchain'],
  ['Linux Image for arm64', magic(0x38, 'ARM\x64'), OTHER_PROCESSOR],
  ['Linux Image for RISC-V', magic(0x38, 'RSC\x05'), OTHER_PROCESSOR],
  ['Linux zImage for ARM', magic(0x24, [0x18, 0x28, 0x6f, 0x01]), OTHER_PROCESSOR],
  ['Linux EFI zboot image (arm64, RISC-V, LoongArch)', magic(0, 'MZ\0\0zimg'), OTHER_PROCESSOR],
  [
    'unified kernel image (UKI)',
    pe((file) => file.sections.includes('.linux')),
    'take the kernel out of it: objcopy -O binary --only-section=.linux UKI vmlinuz (.initrd likewise, for --module)',
  ],
  [
    'systemd-boot or its EFI stub',
    pe((file) => file.sections.includes('.sdmagic')),
    'there is no kernel in it: give the kernel that it would start',
  ],
  ['PE/COFF program for another processor', pe((file) => !X86_MACHINES.has(file.machine)), OTHER_PROCESSOR],
  [
    'EFI program (PE/COFF)',
    pe((file) => EFI_SUBSYSTEMS.has(file.subsystem)),
    'there is no EFI here: give the kernel in its other form: ELF, bzImage, or one with a Multiboot header (Xen: xen.gz)',
  ],
  ['Windows program (PE/COFF)', pe(() => true), 'build the guest as ELF, or give a kernel'],
  ['DOS program (MZ)', magic(0, 'MZ'), 'there is no DOS here: build the guest as ELF, or give a kernel'],
  ['WebAssembly', magic(0, '\0asm'), 'build the guest for x86'],
  ['U-Boot uImage', magic(0, [0x27, 0x05, 0x19, 0x56]), 'give the kernel inside it (dumpimage)'],
  [
    'U-Boot FIT image',
    isFit,
    'give the kernel inside it: dumpimage -l FIT lists, dumpimage -T flat_dt -p 0 -o kernel FIT takes out the first',
  ],
  ['device tree', magic(0, [0xd0, 0x0d, 0xfe, 0xed]), 'this is data for a kernel, not a kernel'],
  ['Android boot image', magic(0, 'ANDROID!'), 'give the kernel inside it: unpack_bootimg --boot_img FILE --out DIR'],
  ['Android vendor boot image', magic(0, 'VNDRBOOT'), 'this is data for a kernel: give the kernel of the boot image'],
  [
    'a.out program',
    isAout,
    'link it as ELF (ld -m elf_i386), or give it a Multiboot header with address fields, or load it with --format flat',
  ],
  ['option ROM', isOptionRom, 'firmware calls it to serve a card, it starts nothing: give the firmware or the kernel'],
  [
    'UEFI firmware volume without reset vector',
    magic(0x28, '_FVH'),
    'this is data of firmware, such as its variables: give the file with the code (OVMF.fd, OVMF_CODE.fd)',
  ],
  ['shell script', magic(0, '#!'), 'give the program the script would run'],
  ['LLVM bitcode', magic(0, 'BC\xc0\xde'), 'compile and link it first'],
];

/** The format that the file has, if it is one of those that are no guest image. */
export function foreignFormat(bytes: Uint8Array): Foreign | undefined {
  const found = FORMATS.find(([, evidence]) => evidence(bytes));
  return found && { name: found[0], advice: found[2] };
}
