/**
 * Unfinished files. Whoever writes them holds the writers' lock, or shares the lock `unfinished`: a download takes long.
 * So a file that is there while nobody has either lock was left by a process that ended.
 */
import { randomBytes } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type StoreFs, syncChange, withIo } from './fs-layer.ts';

/** A new file in the directory for unfinished ones. */
export interface TemporaryFile {
  readonly path: string;
  readonly fd: number;
  close(): void;
  /** Removes the file; for use after a failure, so it never throws. */
  discard(): void;
}

let serial = 0;

/** Creates a file in the directory for unfinished ones. */
export function createTemporary(fs: StoreFs, directory: string): TemporaryFile {
  const path = join(directory, `${process.pid}-${serial++}-${randomBytes(3).toString('hex')}`);
  return withIo('cannot create', path, () => temporaryAt(fs, path));
}

/** Creates a file that is to get another name. Throws node's errors. */
export function temporaryAt(fs: StoreFs, path: string, mode?: number): TemporaryFile {
  const fd = fs.create(path, mode);
  let open = true;
  const close = () => {
    if (open) {
      open = false;
      fs.close(fd);
    }
  };
  const discard = () => {
    try {
      close();
      fs.unlink(path);
    } catch {
      // The failure that led here is the one to report; the next writer removes the file.
    }
  };
  return { path, fd, close, discard };
}

/**
 * Makes the file `target` what `fill` writes into the temporary one, durably: it appears whole or not at all. Throws
 * CheckpointError; the temporary file is then removed.
 */
export function replaceFile(fs: StoreFs, target: string, file: TemporaryFile, fill: (fd: number) => void): void {
  try {
    withIo('cannot write', target, () => {
      fill(file.fd);
      fs.fsync(file.fd);
      file.close();
      fs.rename(file.path, target);
    });
    syncChange(fs, dirname(resolve(target)), target);
  } catch (error) {
    file.discard();
    throw error;
  }
}

/** Removes unfinished files; strangers' files stay. Call with both locks held alone. */
export function clearTemporary(fs: StoreFs, directory: string): void {
  withIo('cannot clear', directory, () => {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      if (isTemporaryName(name) && lstatSync(path, { throwIfNoEntry: false })?.isFile()) fs.unlink(path);
    }
  });
}

/** True for a name that this program gives to unfinished files, or gave: earlier versions named the thread at length. */
export const isTemporaryName = (name: string): boolean => /^\d{1,10}(-\d{1,10}-[a-z0-9]{6}|(,[\w.-]+){5})$/.test(name);
