/**
 * One mmap and its views. Only this file maps and unmaps; a view that outlives its Mapping is a segmentation fault, so
 * nobody else keeps one beyond the owner's life.
 *
 * Views are cut into windows of at most 1 GiB: an ArrayBuffer over more than 4 GiB of foreign memory aborts Node 20.
 */

import { errnoName, GuestMemoryError } from '../errors.ts';
import { ENXIO, Fd } from './fd.ts';
import { errno, ftruncate, lseek, madvise, memfdCreate, mmap, munmap, viewMemory } from './libc.ts';

/** Whether memory can be mapped in this process: koffi and glibc are there. */
export { hasLibc as canMap } from './libc.ts';

/** Largest stretch of memory behind one ArrayBuffer, in bytes. */
export const WINDOW_BYTES = 2 ** 30;

/** Pieces of so many bytes have views of their own, so many of them. */
const [SMALL_BYTES, MOST_SMALL] = [4096, 64];

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const MFD_CLOEXEC = 1;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** How to map: what is shared with other mappings of the same file, and whether it may be written. */
interface MapOptions {
  /** true: writes reach the file and its other mappings. false: copy-on-write. */
  readonly shared: boolean;
  readonly writable?: boolean;
  /** Byte offset into the file; a multiple of 4096. */
  readonly offset?: number;
}

/** What another thread needs to lay views over the same memory. Plain data. */
export interface MappingHandle {
  readonly address: bigint;
  readonly length: number;
}

/**
 * Mapped memory of this process, as ArrayBuffers over it. Views of it must not be used after it is disposed of: the
 * process would be killed.
 *
 * @example
 * ```ts
 * import { Mapping } from 'vmlapse';
 *
 * using ram = Mapping.anonymous(64 * 1024);
 * ram.bytes.set([0xf4], 0x1000);
 * console.log(ram.length, ram.bytes[0x1000]); // 65536 244
 * ```
 */
export class Mapping implements Disposable {
  readonly length: number;
  readonly #address: bigint;
  readonly #owned: boolean;
  /** Views made so far, by number; none once the mapping was disposed of. */
  #windows: Uint8Array[] | undefined = [];
  #small = 0;

  private constructor(address: bigint, length: number, owned: boolean) {
    this.#address = address;
    this.length = length;
    this.#owned = owned;
  }

  /**
   * The view of bytes [number * WINDOW_BYTES, …), made when it is first used: a view costs milliseconds, and little of a
   * large machine is ever looked at. Throws GuestMemoryError CLOSED after the mapping was disposed of.
   */
  window(number: number): Uint8Array {
    return this.#windows?.[number] ?? this.#view(number);
  }

  /** A view of [offset, offset+length), which lies in one window. While few small ones are asked for, the window is not made. */
  piece(offset: number, length: number): Uint8Array {
    const number = Math.floor(offset / WINDOW_BYTES);
    if (!this.#windows?.[number] && length <= SMALL_BYTES && this.#small++ < MOST_SMALL)
      return new Uint8Array(viewMemory(this.address + BigInt(offset), length));
    const start = offset % WINDOW_BYTES;
    return this.window(number).subarray(start, start + length);
  }

  #view(number: number): Uint8Array {
    const at = number * WINDOW_BYTES;
    const view = new Uint8Array(viewMemory(this.address + BigInt(at), Math.min(WINDOW_BYTES, this.length - at)));
    this.#windows![number] = view;
    return view;
  }

  /** Host address of the first byte. For the kernel and for other threads of this process only. Throws as window(). */
  get address(): bigint {
    if (this.#windows) return this.#address;
    const { length } = this;
    throw new GuestMemoryError('CLOSED', `${length} bytes of memory were used after they were disposed of`, { length });
  }

  /** Maps `length` bytes of a file descriptor. */
  static ofFile(fd: Fd | number, length: number, options: MapOptions): Mapping {
    const number = typeof fd === 'number' ? fd : fd.number;
    const protection = PROT_READ | (options.writable === false ? 0 : PROT_WRITE);
    const flags = (options.shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE;
    return Mapping.#map(length, protection, flags, number, options.offset ?? 0);
  }

  /** Maps `length` bytes of fresh zeroed memory. */
  static anonymous(length: number): Mapping {
    return Mapping.#map(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }

  static #map(length: number, protection: number, flags: number, fd: number, offset: number): Mapping {
    const address = BigInt(mmap(null, length, protection, flags, fd, offset));
    if (address !== MAP_FAILED) return new Mapping(address, length, true);
    const code = errno();
    throw new GuestMemoryError('MMAP', `mmap of ${length} bytes failed: ${errnoName(code)}; is there enough memory?`, {
      length,
      errno: code,
    });
  }

  /** Lays views over memory that another thread of this process owns. */
  static borrow(handle: MappingHandle): Mapping {
    return new Mapping(handle.address, handle.length, false);
  }

  /** Plain data for {@link Mapping.borrow} in another thread. */
  get handle(): MappingHandle {
    return { address: this.address, length: this.length };
  }

  /** The whole mapping as one view; only for mappings of at most one window. */
  get bytes(): Uint8Array {
    if (this.length > WINDOW_BYTES) throw new RangeError(`a mapping of ${this.length} bytes has no single view`);
    return this.window(0);
  }

  /** madvise(2) over a byte range of the mapping. */
  advise(offset: number, length: number, advice: number): void {
    if (madvise(this.address + BigInt(offset), length, advice) === 0) return;
    throw new GuestMemoryError('MADVISE', `madvise(${advice}) failed: ${errnoName(errno())}`);
  }

  /** Unmaps if this object owns the memory. Every view dies with it. Safe to call twice. */
  [Symbol.dispose](): void {
    if (!this.#windows) return;
    this.#windows = undefined;
    if (this.#owned) munmap(this.#address, this.length);
  }
}

/** Creates an anonymous file of `length` bytes, memfd_create(2). Throws GuestMemoryError. */
export function createMemfd(name: string, length: number): Fd {
  const number = memfdCreate(name, MFD_CLOEXEC);
  if (number < 0) throw new GuestMemoryError('MEMFD', `memfd_create failed: ${errnoName(errno())}`);
  const file = Fd.own(number);
  if (ftruncate(number, length) === 0) return file;
  const code = errno();
  file[Symbol.dispose]();
  throw new GuestMemoryError('MEMFD', `a memory file of ${length} bytes cannot be made: ${errnoName(code)}`);
}

/** Byte runs [start, end) of a memory file that were ever touched (lseek SEEK_DATA/SEEK_HOLE), ascending. */
export function* dataRuns(fd: number, length: number): Generator<readonly [start: number, end: number]> {
  for (let at = 0; at < length; ) {
    const start = seek(fd, at, SEEK_DATA);
    if (start === undefined || start >= length) return;
    const end = Math.min(seek(fd, start, SEEK_HOLE) ?? length, length);
    yield [start, end];
    at = end;
  }
}

/** lseek(2); undefined: nothing of what was asked for follows. */
function seek(fd: number, from: number, whence: number): number | undefined {
  const at = Number(lseek(fd, from, whence));
  if (at >= 0) return at;
  const code = errno();
  if (code === ENXIO) return undefined;
  throw new GuestMemoryError('LSEEK', `lseek in a memory file failed: ${errnoName(code)}`, { fd, from, errno: code });
}
