/** The images of the real guests: paths inside Debian packages, and what is built from them at test time. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageTree } from './packages.ts';

export const multibootKernel = () => readFileSync(join(packageTree('multiboot'), 'usr/lib/multiboot/examples/kernel'));
export const seabios = () => readFileSync(join(packageTree('seabios'), 'usr/share/seabios/bios.bin'));
export const gnuMach = () => readFileSync(join(packageTree('gnumach-image-1.8-486'), 'boot/gnumach-1.8-486.gz'));
export const memtest = () => readFileSync(join(packageTree('memtest86+'), 'boot/memtest86+x64.bin'));
export const memtest32 = () => readFileSync(join(packageTree('memtest86+'), 'boot/memtest86+ia32.bin'));
export const memdisk = () => readFileSync(join(packageTree('syslinux-common'), 'usr/lib/syslinux/memdisk'));
export const ipxe = () => readFileSync(join(packageTree('ipxe'), 'boot/ipxe.lkrn'));
export const uBoot = () => readFileSync(join(packageTree('u-boot-qemu'), 'usr/lib/u-boot/qemu-x86/u-boot.rom'));

const GRUB_MODULES = ['serial', 'terminal', 'echo', 'lsmmap', 'halt', 'multiboot', 'normal', 'memdisk', 'tar', 'ls'];
const GRUB_CONFIG = `serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
`;

/** GRUB for coreboot: a shell on the serial port, with the multiboot example kernel in its memory disk. */
export function grub(): Buffer {
  const work = mkdtempSync(join(tmpdir(), 'vmlapse-grub-'));
  try {
    const kernels = join(packageTree('multiboot'), 'usr/lib/multiboot/examples');
    execFileSync('tar', ['-cf', join(work, 'memdisk.tar'), '-C', kernels, 'kernel']);
    writeFileSync(join(work, 'grub.cfg'), GRUB_CONFIG);
    const target = 'i386-coreboot';
    const directory = join(packageTree('grub-coreboot-bin'), 'usr/lib/grub', target);
    const options = [
      '-O',
      target,
      '-d',
      directory,
      '-p',
      '/boot',
      '-m',
      'memdisk.tar',
      '-c',
      'grub.cfg',
      '-o',
      'grub.elf',
    ];
    // grub-mkimage links against a library that a minimal system does not have.
    const libraries = join(packageTree('libdevmapper1.02.1'), 'lib/x86_64-linux-gnu');
    execFileSync(join(packageTree('grub-common'), 'usr/bin/grub-mkimage'), [...options, ...GRUB_MODULES], {
      cwd: work,
      env: { ...process.env, LD_LIBRARY_PATH: libraries },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return readFileSync(join(work, 'grub.elf'));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
