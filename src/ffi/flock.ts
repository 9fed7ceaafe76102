/** The lock of an open file, flock(2). The kernel releases it when the descriptor is closed, however that comes about. */
import { errno, flock } from './libc.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/** Takes the lock for one holder alone; false where another has it. Throws an Error with errno for anything else. */
export function tryLock(fd: number): boolean {
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const code = errno();
  if (code === EWOULDBLOCK) return false;
  throw new Error(`flock: errno ${code}`);
}
