/** Writing a large, mostly empty file so that it appears whole or not at all: beside its place, synced, renamed. */
import { fchmodSync, ftruncateSync, statSync, writeSync } from 'node:fs';
import { realFs, withIo } from '../store/disk/fs-layer.ts';
import { replaceFile, temporaryAt } from '../store/disk/temporary.ts';
import { storeError } from '../store/format/digest.ts';

/** A file being written. What is not written reads as zeros and takes no room on disk. */
export interface SparseFile {
  /** Writes all bytes at an offset. */
  write(offset: number, bytes: Uint8Array): void;
}

/** Of a new file; the user's umask takes from it, as from the files of a store. */
const MODE = 0o666;
const OWNER = 0o600;
const PERMISSIONS = 0o777;

/**
 * Makes the file `path` of `size` bytes with what `fill` writes, replacing one that is there, whose permissions it
 * takes over, but nothing that is no file. When it throws, as a full disk makes it (CheckpointError), nothing has changed.
 */
export function writeSparse(path: string, size: number, fill: (file: SparseFile) => void): void {
  const io = <T>(step: () => T) => withIo('cannot write', path, step);
  const there = io(() => statSync(path, { throwIfNoEntry: false }));
  if (there && !there.isFile())
    throw storeError(
      'NOT_A_FILE',
      `${path} is ${there.isDirectory() ? 'a directory' : 'a device or a pipe'}: name a file`,
    );
  const temporary = io(() => temporaryAt(realFs, `${path}.${process.pid}.tmp`, there ? OWNER : MODE));
  replaceFile(realFs, path, temporary, (fd) => {
    if (there) fchmodSync(fd, there.mode & PERMISSIONS);
    ftruncateSync(fd, size);
    fill({ write: (offset, bytes) => io(() => writeFully(fd, bytes, offset)) });
  });
}

function writeFully(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
}
