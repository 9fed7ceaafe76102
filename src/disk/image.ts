/** The image file under a disk: it is opened to be read, and nothing ever writes to it. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { constants as os } from 'node:os';
import { resolve } from 'node:path';
import { DiskError, errnoName } from '../errors.ts';
import { type FileFacts, factsOf, sameFacts } from '../files/file-facts.ts';
import { MAX_DISK_BYTES, SECTOR_BYTES } from './limits.ts';

/** An image that is open, and read by offset. */
export class DiskImage implements Disposable {
  /** Absolute, so that it says the same in another folder. */
  readonly path: string;
  /** Its size, a multiple of 512, which is the disk's. */
  readonly bytes: number;
  readonly facts: FileFacts;
  readonly fd: number;
  #closed = false;

  private constructor(path: string, fd: number, facts: FileFacts) {
    this.path = path;
    this.fd = fd;
    this.facts = facts;
    this.bytes = facts.size;
  }

  /**
   * Opens an image. Throws DiskError: errno's name where that fails; NOT_A_FILE, SIZE for what cannot be a disk of 512-byte
   * sectors up to 1 TiB.
   */
  static open(path: string): DiskImage {
    const absolute = resolve(path);
    const fd = attempt(`the disk image ${path} cannot be opened`, () =>
      openSync(absolute, constants.O_RDONLY | constants.O_NONBLOCK),
    );
    try {
      const { size } = checkedFile(path, fd);
      if (size === 0 || size % SECTOR_BYTES !== 0 || size > MAX_DISK_BYTES) {
        throw new DiskError(
          'SIZE',
          `the disk image ${path} has ${size} bytes, and a disk has whole sectors of ${SECTOR_BYTES} bytes, up to 1 TiB; pad it: truncate -s %${SECTOR_BYTES} FILE`,
          0,
          { path, size },
        );
      }
      return new DiskImage(absolute, fd, lookAt(fd));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Throws DiskError CHANGED if the file is not as it was when it was opened. */
  checkUnchanged(): void {
    const now = lookAt(this.fd);
    if (sameFacts(now, this.facts)) return;
    throw new DiskError(
      'CHANGED',
      `the disk image ${this.path} was written by another program since it was opened, and a guest's disk rests on it; give each machine a copy that stays as it is`,
      0,
      { path: this.path },
    );
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.fd);
  }
}

/** The facts of an open image. Throws DiskError. */
const lookAt = (fd: number): FileFacts => attempt('the disk image cannot be looked at', () => factsOf(fd));

/** Fills `into` from byte `offset` of an image of `bytes` bytes; past its end are zeros. Throws DiskError. */
export function readImageAt(fd: number, bytes: number, offset: number, into: Uint8Array): void {
  const wanted = Math.max(0, Math.min(into.length, bytes - offset));
  for (let done = 0; done < wanted; ) {
    const got = attempt(`the disk image cannot be read at byte ${offset + done}`, () =>
      readSync(fd, into, done, wanted - done, offset + done),
    );
    if (got === 0) {
      throw new DiskError(
        'EIO',
        `the disk image ends at byte ${offset + done}, and had ${bytes} bytes when it was opened: another program has cut it off`,
        os.errno.EIO,
        { offset: offset + done, bytes },
      );
    }
    done += got;
  }
  into.fill(0, wanted);
}

function checkedFile(path: string, fd: number): { readonly size: number } {
  const stat = fstatSync(fd);
  if (stat.isFile()) return stat;
  throw new DiskError('NOT_A_FILE', `the disk image ${path} is no regular file; copy the disk into one`, 0, { path });
}

/** Runs a call of the file system; its error becomes a DiskError of the same errno. */
function attempt<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { errno } = error as { errno?: number };
    if (errno === undefined) throw error;
    const code = errnoName(-errno);
    throw new DiskError(code, `${what}: ${code}`, -errno);
  }
}
