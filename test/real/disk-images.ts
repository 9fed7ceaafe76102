/** Disks with the boot loaders of Debian packages, put together by the test: GRUB on a hard disk, ISOLINUX on a CD. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AT, bootableCd, placed } from '../support/iso.ts';
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

const CONFIGURATION = 'PROMPT 1\nTIMEOUT 0\nSAY a CD made by the test\n';

/** A CD with ISOLINUX, whose prompt waits for ever. */
export function isolinuxCd(): Buffer {
  const loader = Buffer.from(readFileSync(join(packageTree('isolinux'), 'usr/lib/ISOLINUX/isolinux.bin')));
  const core = readFileSync(join(packageTree('syslinux-common'), 'usr/lib/syslinux/modules/bios/ldlinux.c32'));
  const files = [
    { name: 'ISOLINUX.BIN;1', bytes: loader },
    { name: 'ISOLINUX.CFG;1', bytes: Buffer.from(CONFIGURATION) },
    { name: 'LDLINUX.C32;1', bytes: core },
  ];
  tellPlace(loader, placed(files)[0]!.sector);
  return bootableCd(files, { emulation: 0, sectors: 4 });
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
