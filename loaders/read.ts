/** From a path to the bytes of an image. Large files are mapped, not read: placing them is then the only copy. */

import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, type Stats } from 'node:fs';
import { PAGE_SIZE } from '../src/abi/numbers.ts';
import { checkArguments, PATH } from '../src/arguments.ts';
import { errnoName, LoadError, VmlapseError } from '../src/errors.ts';
import { canMap, Mapping, WINDOW_BYTES } from '../src/ffi/mapping.ts';

const MAPPED_FROM_BYTES = 4 * 2 ** 20;
const PIPE_CHUNK_BYTES = 64 * 2 ** 10;
const MADV_DONTNEED = 4;
const keep = () => {};

/** An image file in memory. `bytes` are valid until it is disposed. */
export interface ImageFile extends Disposable {
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Frees the memory of a part of a mapped file that has been copied; it is read again if needed. */
  release(piece: Uint8Array): void;
}

const OPEN_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read: check its permissions',
  ENOTDIR: 'a part of the path is not a directory',
};

/**
 * Opens an image file or pipe. Throws LoadError for one that is missing, unreadable, empty, oversized, or no file.
 * Without `pipes` it never waits; use that for paths that others have chosen.
 */
export function readImage(path: string, { pipes = true }: { readonly pipes?: boolean } = {}): ImageFile {
  checkArguments('readImage', [path, PATH]);
  const fd = open(path, pipes ? 0 : constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    const kind = NOT_FILES.find(({ is }) => is(stat));
    if (kind) throw refuse(path, kind.code, kind.why);
    if (!pipes && !stat.isFile()) throw refuse(path, 'NOT_A_FILE', 'it is a pipe or a socket: name a file');
    const image = stat.isFile() ? readFile(path, fd, stat.size) : inMemory(path, readPipe(path, fd));
    if (image.bytes.length === 0) throw refuse(path, 'EMPTY', 'it is empty');
    return image;
  } catch (error) {
    if (error instanceof VmlapseError) throw error;
    const { errno = 0 } = error as NodeJS.ErrnoException;
    throw refuse(path, 'UNREADABLE', `it cannot be read: ${errnoName(-errno)}`);
  } finally {
    closeSync(fd);
  }
}

const NOT_FILES: readonly { is(stat: Stats): boolean; code: string; why: string }[] = [
  { is: (stat) => stat.isDirectory(), code: 'DIRECTORY', why: 'it is a directory: name a file in it' },
  {
    is: (stat) => stat.isCharacterDevice() || stat.isBlockDevice(),
    code: 'DEVICE',
    why: 'it is a device: name a file or a pipe',
  },
];

const inMemory = (path: string, bytes: Uint8Array): ImageFile => ({
  path,
  bytes,
  release: keep,
  [Symbol.dispose]: keep,
});

function readFile(path: string, fd: number, size: number): ImageFile {
  if (size > WINDOW_BYTES) throw tooLarge(path, `it has ${size} bytes`);
  if (size < MAPPED_FROM_BYTES || !canMap()) return inMemory(path, size === 0 ? new Uint8Array(0) : readFileSync(fd));
  const mapping = Mapping.ofFile(fd, size, { shared: false, writable: false });
  return { path, bytes: mapping.bytes, release: releaser(mapping), [Symbol.dispose]: () => mapping[Symbol.dispose]() };
}

/** Reads a file without a size, such as a pipe, to its end. */
function readPipe(path: string, fd: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let total = 0; ; ) {
    const chunk = new Uint8Array(PIPE_CHUNK_BYTES);
    const got = readSync(fd, chunk);
    if (got === 0) return Buffer.concat(chunks);
    total += got;
    if (total > WINDOW_BYTES) throw tooLarge(path, 'it does not end');
    chunks.push(chunk.subarray(0, got));
  }
}

const tooLarge = (path: string, what: string) => refuse(path, 'TOO_LARGE', `${what}; images may have up to 1 GiB`);

/** Drops the whole pages of a piece from this process; other memory is left alone. */
function releaser(mapping: Mapping): (piece: Uint8Array) => void {
  return ({ buffer, byteOffset, length }) => {
    if (buffer !== mapping.bytes.buffer) return;
    const start = Math.ceil(byteOffset / PAGE_SIZE) * PAGE_SIZE;
    const end = Math.floor((byteOffset + length) / PAGE_SIZE) * PAGE_SIZE;
    if (end > start) mapping.advise(start, end - start, MADV_DONTNEED);
  };
}

function open(path: string, flags: number): number {
  try {
    return openSync(path, constants.O_RDONLY | flags);
  } catch (error) {
    const { code = 'EIO', errno = 0 } = error as NodeJS.ErrnoException;
    throw refuse(path, 'UNREADABLE', OPEN_FAILURES[code] ?? `it cannot be opened: ${errnoName(-errno)}`);
  }
}

const refuse = (path: string, code: string, why: string) => new LoadError(code, `${path}: ${why}`, { path });
