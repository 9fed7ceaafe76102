/** One owned file descriptor. The number may be used by every thread of the process; only the owner closes it. */
import { constants } from 'node:os';
import { KvmError } from '../errors.ts';
import { close, errno, eventfd, flock, getsockopt, ioctlLong, ioctlPointer, open, type Pointer } from './libc.ts';

const O_RDWR = 0o2;
const O_CLOEXEC = 0o2000000;

/** A file descriptor that is closed once, by its owner. */
export class Fd implements Disposable {
  readonly number: number;
  readonly #owned: boolean;
  #closed = false;

  private constructor(number: number, owned: boolean) {
    this.number = number;
    this.#owned = owned;
  }

  /** Takes ownership of a descriptor the kernel just returned. */
  static own(number: number): Fd {
    return new Fd(number, true);
  }

  /** A descriptor that another owner (usually in another thread) closes. */
  static borrow(number: number): Fd {
    return new Fd(number, false);
  }

  /** Opens a device for reading and writing, close-on-exec. Throws KvmError('open') with `hint` from the errno. */
  static openDevice(path: string, hint: (errno: number) => string): Fd {
    const number = open(path, O_RDWR | O_CLOEXEC, 0);
    if (number >= 0) return new Fd(number, true);
    const code = errno();
    throw new KvmError(`open ${path}`, code, hint(code), { path });
  }

  /** A new eventfd (non-blocking, close-on-exec). */
  static eventfd(): Fd {
    const number = eventfd(0, 0o4000 | O_CLOEXEC);
    if (number >= 0) return new Fd(number, true);
    throw new KvmError('eventfd', errno());
  }

  /** ioctl(2) with a plain integer argument; -errno on failure, -EBADF once disposed, whoever has the number by then. */
  ioctlInt(request: number, value: number | bigint): number {
    if (this.#closed) return -EBADF;
    const result = ioctlLong(this.number, request, value);
    return result < 0 ? -errno() : result;
  }

  /** ioctl(2) with a pointer argument; -errno on failure. */
  ioctlPtr(request: number, argument: Pointer): number {
    if (this.#closed) return -EBADF;
    const result = ioctlPointer(this.number, request, argument);
    return result < 0 ? -errno() : result;
  }

  /** Closes the descriptor if this object owns it. Safe to call twice. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#owned) close(this.number);
  }
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/**
 * Takes the lock of an open file, flock(2), alone or shared; false where another holder excludes that. The kernel releases
 * it when the descriptor is closed. Throws an Error with errno for anything else.
 */
export function tryLock(fd: number, shared = false): boolean {
  if (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return true;
  const code = errno();
  if (code === EWOULDBLOCK) return false;
  throw new Error(`flock: errno ${code}`);
}

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/**
 * User id of the process that connected to a Unix socket, as the kernel recorded it (SO_PEERCRED, unix(7)); undefined where
 * `fd` is no connected Unix socket.
 */
export function peerUserId(fd: number): number | undefined {
  const credentials = new DataView(new ArrayBuffer(12)); // struct ucred: pid, uid, gid
  const length = new Uint8Array(Uint32Array.of(credentials.byteLength).buffer);
  const bytes = new Uint8Array(credentials.buffer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes, length) < 0) return undefined;
  return credentials.getUint32(4, true);
}

/** The errno values this toolkit tells apart. */
export const {
  EINTR,
  EAGAIN,
  ENOENT,
  EACCES,
  EPERM,
  EBADF,
  EINVAL,
  ENOTTY,
  EEXIST,
  ENXIO,
  ENODEV,
  E2BIG,
  ENOMEM,
  EBUSY,
  EFAULT,
} = constants.errno;
