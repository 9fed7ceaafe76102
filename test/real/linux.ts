/** Debian's Linux as a guest: the kernel in both of its forms, and an initramfs with a shell made of Debian's busybox. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { cpio, folder, program } from './cpio.ts';
import { isLz4Legacy, unpackLz4Legacy } from './lz4.ts';
import { packageTree } from './packages.ts';

/** Debian's kernel packages: the small one for clouds has no MP table support and so sees one CPU without ACPI. */
const LINUX_PACKAGES = ['linux-image-cloud-amd64', 'linux-image-amd64'] as const;
export type LinuxPackage = (typeof LINUX_PACKAGES)[number];

/** Whether a package is one of them. */
export const isLinuxPackage = (name: string): name is LinuxPackage => LINUX_PACKAGES.some((linux) => linux === name);

/** The bzImage of a kernel package. */
export function linuxBzImage(name: LinuxPackage): Buffer {
  const boot = join(packageTree(name), 'boot');
  const file = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'));
  if (!file) throw new Error(`no vmlinuz in ${boot}`);
  return readFileSync(join(boot, file));
}

/** The same kernel as an ELF file, which is kept beside it: to unpack it takes an emulated processor half a minute. */
export function linuxElf(name: LinuxPackage): Uint8Array {
  const file = join(packageTree(name), 'boot', 'vmlinux');
  if (!existsSync(file)) {
    const fresh = `${file}.${process.pid}`;
    writeFileSync(fresh, vmlinuxOf(linuxBzImage(name)));
    renameSync(fresh, file);
  }
  return readFileSync(file);
}

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

/** Modules by which a cloud kernel finds its disk, in the order in which they are loaded. ext4 is a part of that kernel. */
const VIRTIO_MODULES = ['virtio_ring', 'virtio', 'virtio_mmio', 'virtio_blk'];

/** A module of the package; some releases of Debian pack them. */
function virtioModule(tree: string, name: string): Uint8Array {
  const file = readdirSync(tree, { recursive: true, encoding: 'utf8' }).find((path) => {
    const [base, ...suffixes] = path.split('/').at(-1)!.split('.');
    return base === name && suffixes[0] === 'ko';
  });
  if (!file) throw new Error(`no module ${name} in ${tree}`);
  const path = join(tree, file);
  return file.endsWith('.xz') ? execFileSync('xz', ['-dc', path], { maxBuffer: 2 ** 24 }) : readFileSync(path);
}

/**
 * An initramfs whose init loads the virtio drivers, mounts disk 0 and then is a shell on the console. `scripts`: programs for
 * the shell, by name.
 */
export function diskInitramfs(name: LinuxPackage, scripts: Readonly<Record<string, string>>): Uint8Array {
  const load = VIRTIO_MODULES.map((module) => `insmod /modules/${module}.ko\n`).join('');
  const mount = 'mount -t devtmpfs dev /dev\nmount -t ext4 /dev/vda /mnt && echo "disk: mounted"\n';
  const init = INIT.replace('exec sh', `${load}${mount}exec sh`);
  return cpio([
    ...['bin', 'dev', 'proc', 'sys', 'mnt', 'modules'].map(folder),
    program('bin/busybox', busybox()),
    program('init', Buffer.from(init)),
    ...VIRTIO_MODULES.map((module) => program(`modules/${module}.ko`, virtioModule(packageTree(name), module))),
    ...Object.entries(scripts).map(([script, text]) =>
      program(`bin/${script}`, Buffer.from(`#!/bin/busybox sh\n${text}`)),
    ),
  ]);
}

const busybox = () => readFileSync(join(packageTree('busybox-static'), 'bin', 'busybox'));

/** An initramfs whose init says how many CPUs there are and then does what `then` says: by default it is a shell on the console. */
export function shellInitramfs(then = 'exec sh'): Uint8Array {
  return cpio([
    ...['bin', 'dev', 'proc', 'sys'].map(folder),
    program('bin/busybox', busybox()),
    program('init', Buffer.from(INIT.replace('exec sh', () => then))),
  ]);
}
