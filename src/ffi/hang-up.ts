/** Whether the other end of a pipe or socket is there: a question that needs no write (poll(2)). */
import { hasLibc, poll } from './libc.ts';

const POLLERR = 0x08;
const POLLHUP = 0x10;
/** struct pollfd: int fd, short events, short revents. */
const POLLFD = { SIZE: 8, REVENTS: 6 } as const;

/** True when nobody can read any more what is written to `fd`. False also where libc cannot be called. */
export function readerIsGone(fd: number): boolean {
  if (!hasLibc()) return false;
  const pollfd = new DataView(new ArrayBuffer(POLLFD.SIZE));
  pollfd.setInt32(0, fd, true);
  const ready = poll(new Uint8Array(pollfd.buffer), 1, 0);
  return ready > 0 && (pollfd.getInt16(POLLFD.REVENTS, true) & (POLLERR | POLLHUP)) !== 0;
}
