/** From a path to the bytes of an image. Large files are mapped, not read: placing them is then the only copy. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { errnoName, LoadError } from '../src/errors.ts';
import { Mapping, WINDOW_BYTES } from '../src/ffi/mapping.ts';

const MAPPED_FROM_BYTES = 4 * 2 ** 20;
const PAGE_SIZE = 4096;
const MADV_DONTNEED = 4;
const keep = () => {};

/** An image file in memory. `bytes` are valid until it is disposed. */
export interface ImageFile extends Disposable {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Lets go of the memory behind a part of a mapped file that has been copied; it is read again if needed. */
  release(piece: Uint8Array): void;
}

const OPEN_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read: check its permissions',
  ENOTDIR: 'a part of the path is not a directory',
};

/** Opens an image file. Throws LoadError for a missing, unreadable, empty or oversized file, or a directory. */
export function readImage(path: string): ImageFile {
  const fd = open(path);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw refuse(path, 'DIRECTORY', 'it is a directory: name a file in it');
    if (!stat.isFile()) {
      const bytes = readFileSync(fd);
      if (bytes.length === 0) throw refuse(path, 'EMPTY', 'it is empty');
      return { path, bytes, release: keep, [Symbol.dispose]: keep };
    }
    if (stat.size === 0) throw refuse(path, 'EMPTY', 'it is empty');
    if (stat.size > WINDOW_BYTES)
      throw refuse(path, 'TOO_LARGE', `it has ${stat.size} bytes; images may have up to 1 GiB`);
    if (stat.size < MAPPED_FROM_BYTES) return { path, bytes: readFileSync(fd), release: keep, [Symbol.dispose]: keep };
    const mapping = Mapping.ofFile(fd, stat.size, { shared: false, writable: false });
    return {
      path,
      bytes: mapping.bytes,
      release: releaser(mapping),
      [Symbol.dispose]: () => mapping[Symbol.dispose](),
    };
  } finally {
    closeSync(fd);
  }
}

/** Drops the whole pages of a piece from this process; other memory is left alone. */
function releaser(mapping: Mapping): (piece: Uint8Array) => void {
  return ({ buffer, byteOffset, length }) => {
    if (buffer !== mapping.bytes.buffer) return;
    const start = Math.ceil(byteOffset / PAGE_SIZE) * PAGE_SIZE;
    const end = Math.floor((byteOffset + length) / PAGE_SIZE) * PAGE_SIZE;
    if (end > start) mapping.advise(start, end - start, MADV_DONTNEED);
  };
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code = 'EIO', errno = 0 } = error as NodeJS.ErrnoException;
    throw refuse(path, 'UNREADABLE', OPEN_FAILURES[code] ?? `it cannot be opened: ${errnoName(-errno)}`);
  }
}

const refuse = (path: string, code: string, why: string) => new LoadError(code, `${path}: ${why}`, { path });
