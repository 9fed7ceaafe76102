/** From a path to the bytes of an image. Large files are mapped, not read: placing them is then the only copy. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { errnoName, LoadError } from '../src/errors.ts';
import { Mapping, WINDOW_BYTES } from '../src/ffi/mapping.ts';

const MAPPED_FROM_BYTES = 4 * 2 ** 20;

/** An image file in memory. `bytes` are valid until it is disposed. */
export interface ImageFile extends Disposable {
  readonly path: string;
  readonly bytes: Uint8Array;
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
      return { path, bytes, [Symbol.dispose]: () => {} };
    }
    if (stat.size === 0) throw refuse(path, 'EMPTY', 'it is empty');
    if (stat.size > WINDOW_BYTES)
      throw refuse(path, 'TOO_LARGE', `it has ${stat.size} bytes; images may have up to 1 GiB`);
    if (stat.size < MAPPED_FROM_BYTES) return { path, bytes: readFileSync(fd), [Symbol.dispose]: () => {} };
    const mapping = Mapping.ofFile(fd, stat.size, { shared: false, writable: false });
    return { path, bytes: mapping.bytes, [Symbol.dispose]: () => mapping[Symbol.dispose]() };
  } finally {
    closeSync(fd);
  }
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
