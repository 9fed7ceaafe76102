/** Who is at the other end of a connection. */
import type { Socket } from 'node:net';
import { peerUserId } from '../../src/ffi/peer.ts';

/** The user id, as the kernel has it. Undefined where Node does not give away the descriptor: it has no public way to. */
export function peerOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: unknown } | null };
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? peerUserId(handle.fd) : undefined;
}
