/**
 * Guests that were not written for this project, as a table: where the image comes from, how it is started, what is
 * typed, and what must appear where. Text is compared without terminal escape sequences.
 */
import { readGuest } from '../../guests/public.ts';
import type { LoadOptions, MemoryRange, Segment } from '../../loaders/image.ts';
import { COREBOOT_TABLE_AT, corebootTable } from './coreboot.ts';
import { grubDisk, isolinuxCd } from './disk-images.ts';
import { gnuMach, grub, ipxe, memdisk, memtest, memtest32, multibootKernel, seabios, uBoot } from './images.ts';
import { linuxBzImage, linuxElf, shellInitramfs } from './linux.ts';

/** Where a guest speaks: serial port, debug console (ports 0x402, 0xe9), or the VGA text buffer at 0xb8000. */
export type Channel = 'serial' | 'debugcon' | 'vga';

/** One step of a dialogue: wait until `see` has appeared since the step before, then type. */
export interface Step {
  readonly on: Channel;
  readonly see: string | RegExp;
  /** On the keyboard where the screen was looked at, else on the serial port. */
  readonly type?: string;
  /** A key of the keyboard. */
  readonly press?: string;
}

/** A row. */
export interface RealGuest {
  readonly name: string;
  readonly packages: readonly string[];
  readonly image: () => Uint8Array;
  /** The image is a disk, which the guest reads while it runs. */
  readonly isDisk?: true;
  readonly ramMiB: number;
  readonly cpus?: number;
  readonly load?: () => Partial<LoadOptions>;
  /** Written to guest memory before the start, beside the image. */
  readonly blobs?: (map: readonly MemoryRange[]) => readonly Pick<Segment, 'gpa' | 'bytes'>[];
  readonly dialogue: readonly Step[];
  /** How the run ends once the dialogue is over; by default it is stopped from outside. */
  readonly ends?: 'poweroff' | 'halted';
  /** Time budget for the whole dialogue. */
  readonly seconds: number;
  /** Why the software-emulating kind of KVM cannot run it. */
  readonly notOnPvm?: string;
  /** What takes long there. Such a row runs only with VMLAPSE_LONG=1. */
  readonly slowOnPvm?: string;
}

const text = (value: string) => new TextEncoder().encode(value);
const corebootFirmware = (map: readonly MemoryRange[]) => [{ gpa: COREBOOT_TABLE_AT, bytes: corebootTable(map) }];

export const GUESTS: readonly RealGuest[] = [
  {
    name: 'multiboot example kernel',
    packages: ['multiboot'],
    image: multibootKernel,
    ramMiB: 16,
    load: () => ({ cmdline: 'one two', modules: [{ name: 'a module', bytes: text('its content') }] }),
    dialogue: [
      { on: 'vga', see: 'mem_lower = 639KB, mem_upper = 15360KB' },
      { on: 'vga', see: /cmdline = .*one two/ },
      { on: 'vga', see: 'mods_count = 1' },
      { on: 'vga', see: /mod_start = 0x\w+, mod_end = 0x\w+, cmdline = a module/ },
      { on: 'vga', see: /base_addr = 0x0*100000, length = 0x0*f00000, type = 0x1/ },
    ],
    ends: 'halted',
    seconds: 30,
  },
  {
    name: 'SeaBIOS',
    packages: ['seabios'],
    image: seabios,
    ramMiB: 64,
    load: () => ({ format: 'rom' }),
    dialogue: [
      { on: 'debugcon', see: 'SeaBIOS (version' },
      { on: 'debugcon', see: '0000000000100000 - 0000000004000000 = 1 RAM' },
      { on: 'debugcon', see: 'No bootable device' },
    ],
    seconds: 20,
    slowOnPvm: 'its emulator runs a BIOS, which is 16- and 32-bit code, for seconds; GRUB runs as such code too',
  },
  {
    name: 'GRUB shell',
    packages: ['grub-common', 'grub-coreboot-bin', 'libdevmapper1.02.1', 'multiboot'],
    image: grub,
    ramMiB: 64,
    blobs: corebootFirmware,
    dialogue: [
      { on: 'serial', see: 'GNU GRUB' },
      { on: 'serial', see: 'grub>', type: 'lsmmap\r' },
      { on: 'serial', see: 'base_addr = 0x100000, length = 0x3f00000, available RAM' },
      { on: 'serial', see: 'grub>', type: 'echo typed in both directions\r' },
      { on: 'serial', see: /\n\s*typed in both directions/ },
      { on: 'serial', see: 'grub>', type: 'halt\r' },
    ],
    ends: 'poweroff',
    seconds: 20,
  },
  {
    name: 'GRUB boots the multiboot example kernel',
    packages: ['grub-common', 'grub-coreboot-bin', 'libdevmapper1.02.1', 'multiboot'],
    image: grub,
    ramMiB: 64,
    blobs: corebootFirmware,
    dialogue: [
      { on: 'serial', see: 'grub>', type: 'multiboot (memdisk)/kernel from the shell\r' },
      { on: 'serial', see: 'grub>', type: 'boot\r' },
      { on: 'vga', see: 'mem_upper = 64512KB' },
      { on: 'vga', see: 'from the shell' },
      // Told of a text screen, the kernel draws a diagonal across it, over what it has printed.
      { on: 'vga', see: /^\\lags = [\s\S]*\nHalted\.[\s\S]*\\$/m },
    ],
    ends: 'halted',
    seconds: 20,
  },
  {
    name: 'GRUB on a disk, by the BIOS',
    packages: ['grub-common', 'grub-pc-bin', 'libdevmapper1.02.1'],
    image: grubDisk,
    isDisk: true,
    ramMiB: 64,
    dialogue: [
      { on: 'vga', see: 'grub>', type: 'ls\n' },
      { on: 'vga', see: '(hd0) (hd0,msdos1)' },
      { on: 'vga', see: /grub>$/, type: 'echo typed in both directions\n' },
      { on: 'vga', see: /\ntyped in both directions/ },
    ],
    seconds: 120,
    slowOnPvm: 'its emulator runs the loader, which is 16- and 32-bit code, for a minute',
  },
  {
    name: 'ISOLINUX on a CD, by the BIOS',
    packages: ['isolinux', 'syslinux-common'],
    image: isolinuxCd,
    isDisk: true,
    ramMiB: 64,
    dialogue: [
      { on: 'vga', see: 'a CD made by the test' },
      { on: 'vga', see: 'boot:', type: 'nothing\n' },
      { on: 'vga', see: 'Loading nothing... failed' },
    ],
    seconds: 120,
    slowOnPvm: 'its emulator runs the loader, which is 32-bit code, for a minute',
  },
  {
    name: 'GNU Mach (ELF64 multiboot)',
    packages: ['gnumach-image-1.8-486'],
    image: gnuMach,
    ramMiB: 64,
    load: () => ({ cmdline: 'gnumach console=com0' }),
    dialogue: [
      { on: 'serial', see: 'GNU Mach 1.8' },
      { on: 'serial', see: /000100000:0+4000000, available/ },
      { on: 'serial', see: 'vm_page: DMA32: min' },
    ],
    seconds: 20,
  },
  {
    name: 'memtest86+',
    packages: ['memtest86+'],
    image: memtest,
    ramMiB: 16,
    load: () => ({ cmdline: 'console=ttyS0,115200' }),
    dialogue: [
      { on: 'serial', see: 'Memtest86+' },
      { on: 'serial', see: 'Memory  :   16MB' },
      { on: 'vga', see: /Test #\s*\d+ +\[.*\]/ },
      { on: 'vga', see: /Errors: 0/, press: 'f1' },
      { on: 'vga', see: /Settings:[\s\S]*<F10> +Exit menu/, press: 'f2' },
      { on: 'vga', see: 'Address Range' },
    ],
    seconds: 60,
    slowOnPvm: 'it waits for its own screens',
  },
  ...(['linux16', 'linux32'] as const).map((format) => ({
    name: `memtest86+ for 32-bit processors, ${format}`,
    packages: ['memtest86+'],
    image: memtest32,
    ramMiB: 16,
    load: () => ({ format, cmdline: 'console=ttyS0,115200' }),
    dialogue: [
      { on: 'serial', see: 'Memtest86+' },
      { on: 'vga', see: /Test #\s*\d+ +\[.*\]/ },
      { on: 'vga', see: /Errors: 0/ },
    ] as const,
    seconds: 60,
    notOnPvm: 'its emulator has no 32-bit paging',
  })),
  {
    name: 'memdisk, which boots a floppy from an initial RAM disk',
    packages: ['syslinux-common'],
    image: memdisk,
    ramMiB: 16,
    load: () => ({ modules: [{ name: 'floppy', bytes: readGuest('boot-hello') }] }),
    dialogue: [
      { on: 'vga', see: 'MEMDISK 6' },
      { on: 'vga', see: 'Loading boot sector... booting...' },
      { on: 'vga', see: 'Hello' },
    ],
    seconds: 60,
  },
  {
    name: 'iPXE, without a network',
    packages: ['ipxe'],
    image: ipxe,
    ramMiB: 64,
    dialogue: [
      { on: 'vga', see: 'iPXE initialising devices...' },
      { on: 'vga', see: 'Open Source Network Boot Firmware' },
      { on: 'vga', see: 'Press Ctrl-B for the iPXE command line...' },
    ],
    seconds: 60,
    notOnPvm: 'it unpacks itself in ring 0, which its emulator does not get through in a minute',
  },
  {
    name: 'U-Boot',
    packages: ['u-boot-qemu'],
    image: uBoot,
    ramMiB: 64,
    load: () => ({ format: 'rom' }),
    dialogue: [
      { on: 'serial', see: 'U-Boot 20' },
      { on: 'serial', see: 'DRAM:  64 MiB' },
      { on: 'serial', see: 'Hit any key to stop autoboot', type: ' ' },
      { on: 'serial', see: '=> ', type: 'setenv way both; echo typed $way ways\n' },
      { on: 'serial', see: 'typed both ways' },
    ],
    seconds: 60,
    slowOnPvm: 'its emulator runs it as 32-bit code',
  },
  {
    name: 'Linux, first lines (bzImage)',
    packages: ['linux-image-cloud-amd64'],
    image: () => linuxBzImage('linux-image-cloud-amd64'),
    ramMiB: 256,
    load: () => ({ cmdline: 'console=ttyS0 earlyprintk=serial,ttyS0,115200' }),
    dialogue: [
      { on: 'serial', see: 'Linux version' },
      { on: 'serial', see: 'Command line: console=ttyS0' },
      { on: 'serial', see: /BIOS-e820: \[mem 0x0+100000-0x0+fffffff\] usable/ },
    ],
    seconds: 240,
    slowOnPvm: 'its emulator unpacks the kernel for a minute or more; the ELF row shows the same lines',
  },
  {
    name: 'Linux, first lines (ELF, PVH)',
    packages: ['linux-image-cloud-amd64'],
    image: () => linuxElf('linux-image-cloud-amd64'),
    ramMiB: 256,
    load: () => ({ cmdline: 'console=ttyS0 earlyprintk=serial,ttyS0,115200' }),
    dialogue: [
      { on: 'serial', see: 'Linux version' },
      { on: 'serial', see: 'Command line: console=ttyS0' },
      { on: 'serial', see: /BIOS-e820: \[mem 0x0+100000-0x0+fffffff\] usable/ },
    ],
    seconds: 120,
    slowOnPvm: 'its emulator takes twenty seconds to the end of the first lines',
  },
  ...[1, 2].map((cpus) => ({
    name: `Linux to a shell, ${cpus} CPU${cpus > 1 ? 's' : ''}`,
    packages: ['linux-image-amd64', 'busybox-static'],
    image: () => linuxElf('linux-image-amd64'),
    ramMiB: 256,
    cpus,
    load: () => ({
      // one processor by the MP table, two by ACPI
      cmdline: `console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable${cpus === 1 ? ' acpi=off' : ''}`,
      modules: [{ name: 'initramfs', bytes: shellInitramfs() }],
    }),
    dialogue: [
      { on: 'serial', see: `user space: Linux, ${cpus} CPUs` },
      { on: 'serial', see: '# ', type: 'echo $((6 * 7)) is the answer\n' },
      { on: 'serial', see: '42 is the answer' },
      { on: 'serial', see: '# ', type: 'grep -c ^processor /proc/cpuinfo; echo counted\n' },
      { on: 'serial', see: new RegExp(`\n${cpus}\r?\ncounted`) },
      { on: 'serial', see: '# ', type: 'sleep 1 && echo the clock runs\n' },
      { on: 'serial', see: /\nthe clock runs/ },
    ] as const,
    seconds: 120,
    notOnPvm: 'its emulator does not take Linux past the first lines of the kernel',
  })),
  {
    name: 'Linux for clouds, which knows no MP table: 2 CPUs by ACPI, and off by ACPI',
    packages: ['linux-image-cloud-amd64', 'busybox-static'],
    image: () => linuxElf('linux-image-cloud-amd64'),
    ramMiB: 256,
    cpus: 2,
    load: () => ({
      cmdline: 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable',
      modules: [{ name: 'initramfs', bytes: shellInitramfs() }],
    }),
    dialogue: [
      { on: 'serial', see: 'user space: Linux, 2 CPUs' },
      { on: 'serial', see: '# ', type: 'grep -h . /sys/bus/acpi/devices/*/hid\n' },
      { on: 'serial', see: 'PNP0C0C' },
      { on: 'serial', see: '# ', type: 'poweroff -f\n' },
    ],
    ends: 'poweroff',
    seconds: 120,
    notOnPvm: 'its emulator does not take Linux past the first lines of the kernel',
  },
  {
    name: 'Linux to a shell on the screen, typed to on the keyboard',
    packages: ['linux-image-amd64', 'busybox-static'],
    image: () => linuxElf('linux-image-amd64'),
    ramMiB: 256,
    load: () => ({
      format: 'linux',
      cmdline: 'quiet panic=-1 mitigations=off nokaslr tsc=reliable',
      modules: [{ name: 'initramfs', bytes: shellInitramfs() }],
    }),
    dialogue: [
      { on: 'vga', see: 'user space: Linux, 1 CPUs' },
      { on: 'vga', see: /#$/, type: 'echo $((6 * 7)) is the ANSWER\n' },
      { on: 'vga', see: '42 is the ANSWER' },
      { on: 'vga', see: /#$/, type: 'grep -i keyboard /proc/bus/input/devices\n' },
      { on: 'vga', see: 'AT Translated Set 2 keyboard' },
    ],
    seconds: 120,
    notOnPvm: 'its emulator does not take Linux past the first lines of the kernel',
  },
];
