/** A process that does not outlive the one that started it, however that ends (prctl(2), PR_SET_PDEATHSIG). */
import { hasLibc, prctl } from './libc.ts';

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/** From here on the kernel kills this process when `parent`, which started it, is gone. Does nothing without libc. */
export function dieWithParent(parent: number): void {
  if (!hasLibc()) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); // it was gone before
}
