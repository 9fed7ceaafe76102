/** The lock of an open file, flock(2). The kernel releases it when the descriptor is closed, however that comes about. */
import { errno, flock } from './libc.ts';

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/** Takes the lock, alone or shared; false where another holder excludes that. Throws an Error with errno for anything else. */
export function tryLock(fd: number, shared = false): boolean {
  if (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
  const code = errno();
  if (code === EWOULDBLOCK) return false;
  throw new Error(`flock: errno ${code}`);
}
