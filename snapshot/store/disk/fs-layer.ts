/**
 * Every file system call of the store that changes something, in one table, so that a test can stop the world at any
 * of them. Reading goes straight to node:fs.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { corrupt, storeError } from '../format/digest.ts';

/** The calls. Each throws node's errors; `write` may be short. */
export interface StoreFs {
  /** Makes a directory and its parents; nothing happens where it exists. */
  mkdir(path: string): void;
  /** Creates a file that must not exist, for writing; `mode`: its permissions, 0644 if not given. */
  create(path: string, mode?: number): number;
  /** Writes at the end; returns how many bytes were taken. */
  write(fd: number, bytes: Uint8Array): number;
  fsync(fd: number): void;
  close(fd: number): void;
  rename(from: string, to: string): void;
  /** Makes renames and unlinks in a directory durable. */
  syncDir(path: string): void;
  unlink(path: string): void;
  /** Removes an empty directory. */
  rmdir(path: string): void;
}

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** The real ones. Directories are made for the owner alone: guest memory holds what the guest was told in confidence. */
export const realFs: StoreFs = {
  mkdir: makeDirectory,
  create: (path, mode = 0o644) => openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode),
  write: (fd, bytes) => writeSync(fd, bytes),
  fsync: (fd) => fsyncSync(fd),
  close: (fd) => closeSync(fd),
  rename: (from, to) => renameSync(from, to),
  syncDir: (path) => syncDirectory(path, fsyncSync),
  unlink: (path) => unlinkSync(path),
  rmdir: (path) => rmdirSync(path),
};

/** How file systems without fsync of a directory refuse it (CIFS, virtiofs, FUSE): they order such changes themselves. */
const NO_DIRECTORY_SYNC: readonly unknown[] = ['EINVAL', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY'];

/** Makes changes in a directory durable with `fsync`; a file system that has no such thing is taken at its word. */
export function syncDirectory(path: string, fsync: (fd: number) => void): void {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY);
  try {
    fsync(fd);
  } catch (error) {
    if (!NO_DIRECTORY_SYNC.includes(errnoOf(error))) throw error;
  } finally {
    closeSync(fd);
  }
}

/** After a change in a directory: makes it durable, or says that it may have been made. Throws CheckpointError. */
export function syncChange(fs: StoreFs, directory: string, path: string): void {
  withIo('the change may have been written, but is not safely on disk:', path, () => fs.syncDir(directory));
}

/** As `mkdir -p`. Node's own never ends where the kernel says ENOENT although the parent is there, as /proc does. */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

/** Writes all of `bytes`, however short the single writes are. */
export function writeAll(fs: StoreFs, fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const taken = fs.write(fd, done === 0 ? bytes : bytes.subarray(done));
    if (taken <= 0) throw Object.assign(new Error('the file system took no bytes'), { code: 'EIO' });
    done += taken;
  }
}

/** The errno name of something that node:fs threw, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return (error as Partial<NodeJS.ErrnoException> | undefined)?.code; // in a context of node:vm it is no Error of this one
}

const CURES: Record<string, readonly [code: string, cure: string]> = {
  ENOSPC: ['NO_SPACE', 'free some space and try again'],
  EDQUOT: ['NO_SPACE', 'the disk quota is used up: free some space and try again'],
  EROFS: ['READ_ONLY', 'the file system is mounted read-only: use another directory'],
  EACCES: ['NO_ACCESS', 'you lack the permission: check the directory and those above it'],
  EPERM: ['NO_ACCESS', 'you lack the permission: check the directory and those above it'],
  ENOENT: ['IO', 'a directory on the way to it does not exist'],
  ENOTDIR: ['IO', 'there is a file where a directory should be'],
  EISDIR: ['IO', 'it is a directory: name a file'],
  EMFILE: ['IO', 'too many open files: raise `ulimit -n`'],
};

/** A node:fs failure as a CheckpointError that names the path and the cure. Other errors pass unchanged. */
export function ioError(what: string, path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error;
  const [code, cure] = CURES[errno] ?? ['IO', 'check the disk'];
  const more = code === 'NO_SPACE' && isInFilledStore(path) ? ' (`vmlapse gc` removes what no checkpoint needs)' : '';
  return storeError(code, `${what} ${path}: ${errno} — ${cure}${more}`, { path, errno }, error);
}

/** Whether one of the folders above is a store with something in it: to a new one the advice to collect is of no use. */
function isInFilledStore(path: string): boolean {
  const parent = dirname(path);
  const names = namesIn(join(path, 'blobs', 'sha256'));
  return names.length > 0 || (parent !== path && isInFilledStore(parent));
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Runs a step of file system work; what node:fs throws becomes a CheckpointError. */
export function withIo<T>(what: string, path: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw ioError(what, path, error);
  }
}

/** Opens a regular file for reading: no symbolic link, no device, and no waiting on a pipe. Undefined where none is. */
export function openRegular(path: string): { fd: number; size: number } | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    if (errnoOf(error) === 'ELOOP')
      throw corrupt(path, 'is a symbolic link: copy the store with what its links name (cp -rL)');
    throw ioError('cannot open', path, error);
  }
  try {
    const stat = withIo('cannot read', path, () => fstatSync(fd));
    if (!stat.isFile()) throw corrupt(path, 'is not a regular file');
    return { fd, size: stat.size };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** True where a path still leads to an open file: it was not removed or replaced since. */
export function isFileAt(fd: number, path: string): boolean {
  return withIo('cannot look at', path, () => {
    const [mine, there] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
    return mine.ino === there?.ino && mine.dev === there.dev;
  });
}

/** Fills `into` from `position`; a file that ends earlier is corrupt. */
export function readExactly(fd: number, into: Uint8Array, position: number, where: string): void {
  for (let done = 0; done < into.length; ) {
    const got = withIo('cannot read', where, () => readSync(fd, into, done, into.length - done, position + done));
    if (got === 0) throw corrupt(where, `ends at byte ${position + done}, ${into.length - done} bytes too early`);
    done += got;
  }
}

/** A whole regular file of at most `limit` bytes, or undefined where none is. */
export function readSmallFile(path: string, limit: number): Uint8Array | undefined {
  const file = openRegular(path);
  if (!file) return undefined;
  try {
    if (file.size > limit) throw corrupt(path, `has ${file.size} bytes, more than the ${limit} such a file may have`);
    const bytes = new Uint8Array(file.size);
    readExactly(file.fd, bytes, 0, path);
    return bytes;
  } finally {
    closeSync(file.fd);
  }
}
