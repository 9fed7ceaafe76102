/**
 * The writers' lock: one file per contender in `locks/`, whose name says who it is. A contender makes its own file and
 * then looks at the others: whoever finds another live one withdraws and waits. Because each makes its file before it
 * looks, two cannot both miss the other; because names are never used twice, removing the file of a dead process
 * cannot hit a living one.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { storeError } from '../format/digest.ts';
import { errnoOf, ioError, type StoreFs, withIo } from './fs-layer.ts';

/** Who holds a lock: enough to tell a living process from one that reuses its number. */
export interface LockOwner {
  /** Number of the thread (the process's own for its main thread): a thread that is ended leaves its lock, too. */
  readonly pid: number;
  /** Start time of the thread in clock ticks since boot, field 22 of /proc/PID/stat (proc(5)). */
  readonly start: string;
  /** Inode of the PID namespace that `pid` belongs to. */
  readonly namespace: string;
  /** First half of /proc/sys/kernel/random/boot_id. */
  readonly boot: string;
  readonly host: string;
}

/** A held lock. Releasing never throws, and twice is harmless. */
export interface Lock extends Disposable {
  release(): void;
}

let serial = 0;

/** Locks of this thread that are released, but whose file could not be removed yet. */
const leftOver = new Set<string>();

/** The start time of a process, or undefined where no such process is. */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name is in parentheses and may hold spaces; field 22 is the 20th behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** This thread as a lock owner. */
export function thisOwner(): LockOwner {
  const pid = thisThread();
  return {
    pid,
    start: startTime(pid) ?? '0',
    namespace: /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0',
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').replaceAll('-', '').slice(0, 16),
    host: hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-') || 'localhost',
  };
}

/** The kernel's number of the calling thread (proc(5), /proc/thread-self), by which /proc knows it as it does a process. */
function thisThread(): number {
  try {
    return Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0] ?? process.pid);
  } catch {
    return process.pid;
  }
}

/** The file name of an owner's lock; `nonce` tells contenders of one process apart. */
export function lockName(owner: LockOwner, nonce: string): string {
  return [owner.pid, owner.start, owner.namespace, owner.boot, owner.host, nonce].join(',');
}

const LOCK_NAME = /^(\d{1,10}),(\d+),(\d+),([0-9a-f]{16}),([A-Za-z0-9.-]+),[a-z0-9-]+$/;

/** Reads a lock's file name; undefined for anything else. */
export function parseLockName(name: string): LockOwner | undefined {
  const [, pid, start, namespace, boot, host] = LOCK_NAME.exec(name) ?? [];
  return pid && start && namespace && boot && host ? { pid: Number(pid), start, namespace, boot, host } : undefined;
}

/**
 * True where the owner has ended, or belongs to an earlier boot of a host of this name: hosts that share a store need
 * names of their own. What cannot be seen, a process of another container or of another host, counts as alive.
 */
export function isStale(owner: LockOwner, self: LockOwner): boolean {
  if (owner.boot !== self.boot) return owner.host === self.host;
  if (owner.namespace !== self.namespace) return false;
  return startTime(owner.pid) !== owner.start;
}

/**
 * Takes the lock, removing stale ones. Blocks the thread for at most `timeoutMs`, then throws CheckpointError LOCKED
 * naming the holder.
 */
export function acquireLock(fs: StoreFs, directory: string, timeoutMs: number): Lock {
  const self = thisOwner();
  const deadline = Date.now() + timeoutMs;
  withIo('cannot make', directory, () => fs.mkdir(directory));
  for (;;) {
    const name = lockName(self, `${serial++}-${Math.random().toString(36).slice(2, 10)}`);
    const path = join(directory, name);
    const fd = withIo('cannot lock', path, () => fs.create(path));
    const release = () => void tryRemove(fs, path);
    let holder: { name: string; owner: LockOwner } | undefined;
    try {
      withIo('cannot lock', path, () => fs.close(fd));
      holder = findHolder(fs, directory, name, self);
    } catch (error) {
      release();
      throw error;
    }
    if (!holder) return { release, [Symbol.dispose]: release };
    release();
    if (Date.now() >= deadline) throw lockedBy(holder, directory);
    sleep(Math.min(2 + Math.random() * 20, Math.max(1, deadline - Date.now())));
  }
}

function findHolder(fs: StoreFs, directory: string, own: string, self: LockOwner) {
  for (const entry of withIo('cannot read', directory, () => readdirSync(directory, { withFileTypes: true }))) {
    const { name } = entry;
    const owner = name === own || !entry.isFile() ? undefined : parseLockName(name);
    if (!owner) continue;
    const path = join(directory, name);
    if (!leftOver.has(path) && !isStale(owner, self)) return { name, owner };
    const problem = tryRemove(fs, path);
    if (problem !== undefined) throw ioError('cannot remove the stale lock', path, problem);
  }
  return undefined;
}

function lockedBy({ name, owner }: { name: string; owner: LockOwner }, directory: string) {
  return storeError(
    'LOCKED',
    `the store is being written by process ${owner.pid} on ${owner.host} — wait for it to end; ` +
      `if it cannot be running any more, remove ${join(directory, name)}`,
    { pid: owner.pid, host: owner.host },
  );
}

/** Removes a lock's file and returns what stood in the way; the file is then known to be left over. */
function tryRemove(fs: StoreFs, path: string): unknown {
  try {
    fs.unlink(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    leftOver.add(path);
    return error;
  }
  leftOver.delete(path);
  return undefined;
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
