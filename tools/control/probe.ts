/** Checks whether a process listens on a socket's path. */
import { connect, type Socket } from 'node:net';

/** The result of connecting. `stale`: the file is there, but its process has ended. */
type Probe =
  | { readonly state: 'live'; readonly socket: Socket }
  | { readonly state: 'stale' | 'none' | 'denied' }
  | { readonly state: 'failed'; readonly error: Error };

const BY_ERRNO: Readonly<Record<string, 'stale' | 'none' | 'denied'>> = {
  ECONNREFUSED: 'stale',
  ENOTSOCK: 'stale',
  ENOENT: 'none',
  EACCES: 'denied',
  EPERM: 'denied',
};

/** Connects. The caller closes the socket of a live one. */
export function probe(path: string): Promise<Probe> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const failed = (error: NodeJS.ErrnoException) => {
      const state = BY_ERRNO[error.code ?? ''];
      resolve(state ? { state } : { state: 'failed', error });
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve({ state: 'live', socket });
    });
  });
}
