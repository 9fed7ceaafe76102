/**
 * Locks of a store: flock(2) on files in `locks/`. The kernel releases a lock when its holder ends, however that comes
 * about. The files stay; what is in them only tells others who holds the lock. Reading a store takes no lock.
 */
import { closeSync, constants, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { VmlapseError } from '../../../src/errors.ts';
import { tryLock } from '../../../src/ffi/fd.ts';
import { storeError } from '../format/digest.ts';
import { errnoOf, isFileAt, type StoreFs, withIo } from './fs-layer.ts';

/** A held lock. Releasing never throws, and twice is harmless. */
export interface Lock extends Disposable {
  release(): void;
}

/** `writer`: whoever changes the store holds it alone. `unfinished`: shared by those that download without the other. */
type LockName = 'writer' | 'unfinished';

/** True for the files of this version and of earlier ones, which had a file for each writer. */
export const isLockName = (name: string): boolean => /^(writer|unfinished|\d{1,10}(,[\w.-]+){5})$/.test(name);

const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Takes a lock. Blocks the thread for at most `timeoutMs`, then throws CheckpointError LOCKED naming the holder. */
export function acquireLock(fs: StoreFs, directory: string, name: LockName, timeoutMs: number, shared = false): Lock {
  const path = join(directory, name);
  for (const deadline = Date.now() + timeoutMs; ; ) {
    withIo('cannot make', directory, () => fs.mkdir(directory));
    const lock = tryAcquire(path, shared);
    if (lock) return lock;
    if (Date.now() >= deadline) throw lockedBy(path);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.min(5, Math.max(1, deadline - Date.now())));
  }
}

/** Takes a lock if nobody has it; undefined otherwise. Its directory must be there. */
export function tryAcquire(path: string, shared = false): Lock | undefined {
  let fd = openLock(path);
  const release = () => {
    try {
      if (fd >= 0) closeSync(fd);
    } catch {
      // The kernel has closed it all the same.
    }
    fd = -1;
  };
  try {
    // A file that was removed before it was locked does not count: others would lock a new one.
    if (lockFile(fd, path, shared) && isFileAt(fd, path)) {
      if (!shared) sign(fd);
      return { release, [Symbol.dispose]: release };
    }
  } catch (error) {
    release();
    throw error;
  }
  release();
  return undefined;
}

/** Opens a lock's file. One that another user has made can be locked, but not written. */
function openLock(path: string): number {
  const open = (flags: number) => openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o644);
  return withIo('cannot lock', path, () => {
    try {
      return open(O_RDWR | O_CREAT);
    } catch (error) {
      if (errnoOf(error) !== 'EACCES') throw error;
      return open(O_RDONLY);
    }
  });
}

function lockFile(fd: number, path: string, shared: boolean): boolean {
  try {
    return tryLock(fd, shared);
  } catch (error) {
    if (error instanceof VmlapseError) throw error;
    const { message } = error as Error;
    throw storeError('IO', `cannot lock ${path}: ${message} — use a file system that supports flock(2)`, {}, error);
  }
}

/** Writes who holds the lock. A full disk does not matter. */
function sign(fd: number): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid} ${hostname()}\n`, 0);
  } catch {}
}

function lockedBy(path: string) {
  const holder = Buffer.alloc(300);
  const fd = openLock(path);
  try {
    withIo('cannot read', path, () => readSync(fd, holder, 0, holder.length, 0));
  } finally {
    closeSync(fd);
  }
  const [, pid = '?', host = '?'] = /^(\d{1,10}) ([\w.-]+)\n/.exec(holder.toString('latin1')) ?? [];
  const what = `the store ${dirname(dirname(path))} is being written by process ${pid} on ${host}`;
  return storeError('LOCKED', `${what} — wait for it to end, or end it`, { pid: Number(pid), host });
}
