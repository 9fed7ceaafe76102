/** Disks with the boot loaders of Debian packages, put together by the test: GRUB on a hard disk, ISOLINUX on a CD. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageTree } from './packages.ts';

const SECTOR = 512;
const DISK_BYTES = 4 * 2 ** 20;
/** Where GRUB's first sector says whether to trust DL; two NOPs do. */
const GRUB_DRIVE_CHECK = 0x66;
const PARTITION = { at: 446, type: 0x83, first: 2048 };

/** GRUB behind the partition table of a disk, as grub-install puts it there; its shell has no configuration. */
export function grubDisk(): Buffer {
  const directory = join(packageTree('grub-pc-bin'), 'usr/lib/grub/i386-pc');
  const work = mkdtempSync(join(tmpdir(), 'vmlapse-grub-'));
  try {
    const options = ['-O', 'i386-pc', '-d', directory, '-p', '/boot', '-o', join(work, 'core.img')];
    const libraries = join(packageTree('libdevmapper1.02.1'), 'lib/x86_64-linux-gnu');
    execFileSync(
      join(packageTree('grub-common'), 'usr/bin/grub-mkimage'),
      [...options, 'biosdisk', 'part_msdos', 'normal', 'echo', 'ls', 'halt'],
      { env: { ...process.env, LD_LIBRARY_PATH: libraries }, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const disk = Buffer.alloc(DISK_BYTES);
    readFileSync(join(directory, 'boot.img')).copy(disk, 0, 0, PARTITION.at);
    disk.fill(0x90, GRUB_DRIVE_CHECK, GRUB_DRIVE_CHECK + 2);
    disk.set([0x80, 0, 1, 0, PARTITION.type, 15, 63, 0], PARTITION.at);
    disk.writeUInt32LE(PARTITION.first, PARTITION.at + 8);
    disk.writeUInt32LE(DISK_BYTES / SECTOR - PARTITION.first, PARTITION.at + 12);
    disk.writeUInt16BE(0x55aa, 510);
    readFileSync(join(work, 'core.img')).copy(disk, SECTOR);
    return disk;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const CD_SECTOR = 2048;
const AT = { PRIMARY: 16, BOOT_RECORD: 17, END: 18, CATALOG: 19, ROOT: 20, FILES: 21 } as const;
const CONFIGURATION = 'PROMPT 1\nTIMEOUT 0\nSAY a CD made by the test\n';

const bothEndian = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value, 0);
  bytes.writeUInt32BE(value, 4);
  return bytes;
};

/** A record of a directory (ISO 9660, 9.1). */
function record(name: string, sector: number, bytes: number, flags: number): Buffer {
  const length = 33 + name.length + ((name.length + 1) % 2);
  const entry = Buffer.alloc(length);
  entry[0] = length;
  bothEndian(sector).copy(entry, 2);
  bothEndian(bytes).copy(entry, 10);
  entry[25] = flags;
  entry.writeUInt16LE(1, 28);
  entry.writeUInt16BE(1, 30);
  entry[32] = name.length;
  entry.write(name, 33, 'latin1');
  return entry;
}

const DIRECTORY = 2;

/** A CD with ISOLINUX, whose prompt waits for ever. */
export function isolinuxCd(): Buffer {
  const loader = Buffer.from(readFileSync(join(packageTree('isolinux'), 'usr/lib/ISOLINUX/isolinux.bin')));
  const core = readFileSync(join(packageTree('syslinux-common'), 'usr/lib/syslinux/modules/bios/ldlinux.c32'));
  const files = [
    { name: 'ISOLINUX.BIN;1', bytes: loader },
    { name: 'ISOLINUX.CFG;1', bytes: Buffer.from(CONFIGURATION) },
    { name: 'LDLINUX.C32;1', bytes: core },
  ];
  let next: number = AT.FILES;
  const placed = files.map((file) => {
    const sector = next;
    next += Math.ceil(file.bytes.length / CD_SECTOR);
    return { ...file, sector };
  });
  tellPlace(loader, placed[0]!.sector);
  const cd = Buffer.alloc(next * CD_SECTOR);
  const put = (sector: number, bytes: Uint8Array, at = 0) => cd.set(bytes, sector * CD_SECTOR + at);
  const self = (name: string) => record(name, AT.ROOT, CD_SECTOR, DIRECTORY);
  put(AT.PRIMARY, Buffer.from('\x01CD001\x01', 'latin1'));
  put(AT.PRIMARY, bothEndian(next), 80);
  put(AT.PRIMARY, Uint8Array.of(0, 8, 8, 0), 128);
  put(AT.PRIMARY, self('\0'), 156);
  put(AT.BOOT_RECORD, Buffer.from('\x00CD001\x01EL TORITO SPECIFICATION', 'latin1'));
  cd.writeUInt32LE(AT.CATALOG, AT.BOOT_RECORD * CD_SECTOR + 0x47);
  put(AT.END, Buffer.from('\xffCD001\x01', 'latin1'));
  put(AT.CATALOG, Uint8Array.of(1), 0);
  put(AT.CATALOG, Uint8Array.of(0xaa, 0x55, 0x55, 0xaa), 28);
  put(AT.CATALOG, Uint8Array.of(0x88, 0, 0, 0, 0, 0, 4, 0), 32);
  cd.writeUInt32LE(placed[0]!.sector, AT.CATALOG * CD_SECTOR + 40);
  const records = placed.map(({ name, sector, bytes }) => record(name, sector, bytes.length, 0));
  put(AT.ROOT, Buffer.concat([self('\0'), self('\x01'), ...records]));
  for (const { sector, bytes } of placed) put(sector, bytes);
  return cd;
}

/** The boot information table: where the volume descriptor and the loader are, its length, and the sum of its words. */
function tellPlace(loader: Buffer, sector: number): void {
  const TABLE = 8;
  const CODE = 64;
  let sum = 0;
  for (let at = CODE; at + 4 <= loader.length; at += 4) sum = (sum + loader.readUInt32LE(at)) >>> 0;
  [AT.PRIMARY, sector, loader.length, sum].forEach((word, i) => {
    loader.writeUInt32LE(word, TABLE + 4 * i);
  });
}
