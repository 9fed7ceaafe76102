/** Debian's Linux as a guest: the kernel in both of its forms, and an initramfs with a shell made of Debian's busybox. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { cpio, folder, program } from './cpio.ts';
import { isLz4Legacy, unpackLz4Legacy } from './lz4.ts';
import { packageTree } from './packages.ts';

/** Debian's kernel packages: the small one for clouds has no MP table support and so sees one CPU without ACPI. */
export type LinuxPackage = 'linux-image-cloud-amd64' | 'linux-image-amd64';

/** The bzImage of a kernel package. */
export function linuxBzImage(name: LinuxPackage): Buffer {
  const boot = join(packageTree(name), 'boot');
  const file = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'));
  if (!file) throw new Error(`no vmlinuz in ${boot}`);
  return readFileSync(join(boot, file));
}

/** The same kernel as an ELF file. */
export const linuxElf = (name: LinuxPackage) => vmlinuxOf(linuxBzImage(name));

/** The ELF kernel packed in a bzImage, found by the fields of the setup header (Documentation/arch/x86/boot.rst). */
export function vmlinuxOf(bzImage: Buffer): Uint8Array {
  const setupSectors = bzImage.readUInt8(0x1f1) || 4;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  const length = bzImage.readUInt32LE(0x24c);
  // The last four bytes of the payload are the unpacked size.
  const unpackedSize = bzImage.readUInt32LE(start + length - 4);
  return unpack(bzImage.subarray(start, start + length - 4), unpackedSize);
}

function unpack(packed: Uint8Array, size: number): Uint8Array {
  if (isLz4Legacy(packed)) return unpackLz4Legacy(packed, size);
  const magic = Buffer.from(packed.subarray(0, 4)).toString('hex');
  if (magic.startsWith('1f8b')) return gunzipSync(packed, { maxOutputLength: size });
  const tool = { fd377a58: 'xz', '28b52ffd': 'zstd' }[magic];
  if (!tool) throw new Error(`the kernel is packed in a form with magic ${magic}`);
  return execFileSync(tool, ['-dc'], { input: packed, maxBuffer: size + 1 });
}

const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
echo "user space: $(uname -s), $(nproc) CPUs"
exec sh
`;

/** An initramfs whose init says how many CPUs there are and then is a shell on the console. */
export function shellInitramfs(): Uint8Array {
  const busybox = readFileSync(join(packageTree('busybox-static'), 'bin', 'busybox'));
  return cpio([
    ...['bin', 'dev', 'proc', 'sys'].map(folder),
    program('bin/busybox', busybox),
    program('init', Buffer.from(INIT)),
  ]);
}
