/** Who is at the other end of a Unix socket, as the kernel recorded it at connect(2): SO_PEERCRED, unix(7). */
import { getsockopt } from './libc.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** User id of the process that connected; undefined where `fd` is no connected Unix socket. */
export function peerUserId(fd: number): number | undefined {
  const credentials = new DataView(new ArrayBuffer(12)); // struct ucred: pid, uid, gid
  const length = new Uint8Array(Uint32Array.of(credentials.byteLength).buffer);
  const bytes = new Uint8Array(credentials.buffer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes, length) < 0) return undefined;
  return credentials.getUint32(4, true);
}
