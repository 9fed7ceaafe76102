/** ext4 file systems in files, made and examined with e2fsprogs. Needs no root. */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs';
import type { Disk } from '../../src/disk/disk.ts';

/** Where Debian has the programs, which is not in everyone's PATH. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const PIECE_BYTES = 2 ** 20;

/** Runs a program of e2fsprogs; what it says is that of both its outputs. */
function e2fs(program: string, ...args: readonly string[]): { status: number | null; said: string } {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH, LC_ALL: 'C' },
  });
  return error ? { status: null, said: error.message } : { status, said: `${stdout}${stderr}` };
}

/** Why there are no such programs here; undefined where there are. */
export function ext4Problem(): string | undefined {
  const { status, said } = e2fs('mkfs.ext4', '-V');
  return status === 0 ? undefined : `needs e2fsprogs: ${said.trim()}`;
}

function must(program: string, statuses: readonly number[], ...args: readonly string[]): string {
  const { status, said } = e2fs(program, ...args);
  if (status === null || !statuses.includes(status))
    throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${said}`);
  return said;
}

/** Makes an image of `bytes` bytes with an empty file system. */
export function makeExt4(path: string, bytes: number): void {
  closeSync(openSync(path, 'w'));
  truncateSync(path, bytes);
  must('mkfs.ext4', [0], '-q', '-F', path);
}

/** Throws, with what e2fsck says, unless the file system is without a fault and was unmounted. */
export function mustBeClean(path: string): void {
  const said = must('e2fsck', [0], '-fn', path);
  if (/journal recovery|not clean/i.test(said)) throw new Error(`${path} was not unmounted: ${said}`);
}

/** Does what a system does at start after its power went off, the journal first; throws where that finds a fault. */
export function recover(path: string): void {
  must('e2fsck', [0, 1], '-fp', path);
  mustBeClean(path);
}

/** A file's text. The file system must be clean. */
export const readExt4File = (path: string, file: string): string =>
  must('debugfs', [0], '-R', `cat ${file}`, path).replace(/^debugfs .*\n/m, '');

/** Writes what a machine's disk holds to a file. */
export function writeDisk(disk: Disk, path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < disk.bytes; at += PIECE_BYTES) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, disk.bytes - at));
      disk.read(at, piece);
      if (piece.some((byte) => byte !== 0)) writeSync(file, piece, 0, piece.length, at);
    }
  } finally {
    closeSync(file);
  }
  truncateSync(path, disk.bytes);
}
