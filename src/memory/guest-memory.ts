/**
 * Guest RAM: one memory file (memfd), mapped shared, cut into regions of guest-physical addresses, each a KVM memslot.
 * Host writes go through here and are marked, because KVM's dirty log does not see them.
 */
import { hex, PAGE_SIZE } from '../abi/numbers.ts';
import { GuestMemoryError } from '../errors.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import type { Fd } from '../ffi/fd.ts';
import { reopen } from '../ffi/file.ts';
import { createMemfd, WINDOW_BYTES } from '../ffi/mapping.ts';
import { Arrival } from './arrival.ts';
import { type E820Entry, e820, type RamRange, ramRanges } from './layout.ts';
import {
  asSlot,
  borrowRegion,
  mapRegions,
  type Region,
  type RegionHandle,
  regionHandle,
  type SlotRange,
} from './regions.ts';
import { eitherRuns, fileRuns, ownRuns } from './resident.ts';

export type { Region } from './regions.ts';

/** Data with which another thread can use the same guest memory. Structured-clone safe. */
export interface GuestMemoryHandle {
  readonly fd: number;
  readonly regions: readonly RegionHandle[];
  readonly arrival: SharedArrayBuffer | undefined;
}

/**
 * Bounds-checked access to guest RAM by guest-physical address.
 *
 * @example
 * ```ts
 * import { Machine } from 'vmlapse';
 *
 * using machine = Machine.create({ memory: 2 ** 20 });
 * machine.memory.write(0x1000, Buffer.from('guest'));
 * console.log(machine.memory.readUint(0x1000, 1)); // 103n
 * console.log(Buffer.from(machine.memory.read(0x1000, 5)).toString()); // guest
 * ```
 */
export class GuestMemory implements Disposable {
  readonly regions: readonly Region[];
  /** Descriptor of the memory file; -1 for copy-on-write memory, which has none of its own. */
  readonly fd: number;
  /** Set while its pages still arrive: whoever touches them waits for them. */
  arrival: Arrival | undefined;
  /** Owned: the memory file, or for copy-on-write memory the file under it. */
  readonly #file: Fd | undefined;
  #closed = false;

  private constructor(fd: number, regions: readonly Region[], file?: Fd) {
    this.fd = fd;
    this.regions = regions;
    this.#file = file;
  }

  /** `bytes` of zeroed RAM, a multiple of 4 KiB from 1 MiB to 1 TiB; pages cost memory when first touched. */
  static create(bytes: number): GuestMemory {
    const ranges = ramRanges(bytes);
    using made = new Cleanup();
    const file = made.use(createMemfd('vmlapse-ram', bytes));
    const memory = new GuestMemory(file.number, mapRegions(file.number, ranges.map(asSlot), true), file);
    made.keep();
    return memory;
  }

  /**
   * `bytes` of zeroed memory, whole pages, that is no RAM: it has addresses from `base` on for checkpoints, and no slot of
   * KVM. Throws GuestMemoryError.
   */
  static outsideRam(base: number, bytes: number): GuestMemory {
    using made = new Cleanup();
    const file = made.use(createMemfd('vmlapse-pages', bytes));
    const memory = new GuestMemory(file.number, mapRegions(file.number, [{ base, size: bytes }], true), file);
    made.keep();
    return memory;
  }

  /**
   * Memory with the content of `template`, whose pages it shares until they are written. The template must not be written
   * after that, and may be disposed. Throws GuestMemoryError CLOSED if it was disposed before.
   */
  static copyOnWrite(template: GuestMemory): GuestMemory {
    if (template.#closed)
      throw new GuestMemoryError('CLOSED', 'the memory to be copied has been disposed: make all copies before');
    return GuestMemory.overFile(reopen(template.fd), template.regions);
  }

  /**
   * Memory with the content of a file, in which the ranges follow each other: pages are the file's until they are written.
   * The file must not change after that, and is owned by the memory. Throws GuestMemoryError.
   */
  static overFile(file: Fd, ranges: readonly SlotRange[]): GuestMemory {
    using made = new Cleanup();
    made.use(file);
    const memory = new GuestMemory(PRIVATE, mapRegions(file.number, ranges, false), file);
    made.keep();
    return memory;
  }

  /** Memory that another thread of this process owns. */
  static borrow(handle: GuestMemoryHandle): GuestMemory {
    const memory = new GuestMemory(handle.fd, handle.regions.map(borrowRegion));
    if (handle.arrival) memory.arrival = new Arrival(handle.arrival);
    return memory;
  }

  /** Plain data for {@link GuestMemory.borrow}. */
  get handle(): GuestMemoryHandle {
    return { fd: this.fd, regions: this.regions.map(regionHandle), arrival: this.arrival?.buffer };
  }

  /** RAM in bytes. */
  get size(): number {
    return this.regions.reduce((sum, region) => sum + region.size, 0);
  }

  /** RAM as guest-physical ranges. */
  get ranges(): readonly RamRange[] {
    return this.regions.map(({ base, size }) => ({ base, size }));
  }

  /** The E820-style map boot protocols pass to the guest. */
  get memoryMap(): E820Entry[] {
    return e820(this.regions);
  }

  /** The region holding [gpa, gpa+length), or undefined when any byte of it is not RAM. */
  find(gpa: number, length = 1): Region | undefined {
    return this.regions.find((r) => gpa >= r.base && gpa + length <= r.base + r.size);
  }

  #region(gpa: number, length: number, what: string): Region {
    const region = Number.isSafeInteger(gpa) && length >= 0 ? this.find(gpa, length) : undefined;
    if (region) {
      this.arrival?.need(region.mapping.address + BigInt(gpa - region.base), length);
      return region;
    }
    const ram = this.regions.map((r) => `${hex(r.base)}..${hex(r.base + r.size - 1)}`).join(', ');
    throw new GuestMemoryError(
      'OUTSIDE_RAM',
      `${what} of ${length} bytes at ${hex(gpa)} is outside guest RAM (${ram})`,
      {
        gpa,
        length,
      },
    );
  }

  /** Calls `visit` for each live view that together cover [gpa, gpa+length); more than one where a window ends. */
  #pieces(region: Region, gpa: number, length: number, visit: (view: Uint8Array, done: number) => void): void {
    let offset = gpa - region.base;
    for (let done = 0; done < length; ) {
      const span = Math.min(length - done, WINDOW_BYTES - (offset % WINDOW_BYTES));
      visit(region.mapping.piece(offset, span), done);
      offset += span;
      done += span;
    }
  }

  /** Copies guest memory from `gpa` into `target`. Throws GuestMemoryError outside RAM. */
  readInto(gpa: number, target: Uint8Array): void {
    const region = this.#region(gpa, target.length, 'a read');
    this.#pieces(region, gpa, target.length, (view, done) => target.set(view, done));
  }

  /** A copy of `length` bytes at `gpa`. Throws GuestMemoryError outside RAM. */
  read(gpa: number, length: number): Uint8Array {
    this.#region(gpa, length, 'a read');
    const copy = new Uint8Array(length);
    this.readInto(gpa, copy);
    return copy;
  }

  /**
   * A live view for reading; it must lie in one 1 GiB window. Do not touch it after the memory was disposed of: that ends
   * the process with a segmentation fault. The other methods throw GuestMemoryError CLOSED then.
   */
  view(gpa: number, length: number): Uint8Array {
    const region = this.#region(gpa, length, 'a view');
    const offset = gpa - region.base;
    if (length === 0) return new Uint8Array();
    const window = region.mapping.window(Math.floor(offset / WINDOW_BYTES));
    const start = offset % WINDOW_BYTES;
    if (start + length > window.length) throw new RangeError(`a view at ${hex(gpa)} crosses a 1 GiB window`);
    return window.subarray(start, start + length);
  }

  /** Calls `visit` with live views that together are [gpa, gpa+length), to be read. Throws GuestMemoryError outside RAM. */
  look(gpa: number, length: number, visit: (view: Uint8Array, done: number) => void): void {
    this.#pieces(this.#region(gpa, length, 'a read'), gpa, length, visit);
  }

  /** As {@link look}, to be written to; marks the pages as written by the host, also when `visit` throws. */
  update(gpa: number, length: number, visit: (view: Uint8Array, done: number) => void): void {
    const region = this.#region(gpa, length, 'a write');
    try {
      this.#pieces(region, gpa, length, visit);
    } finally {
      this.markWritten(region, gpa - region.base, length);
    }
  }

  /** Writes `bytes` at `gpa` and marks the pages as written by the host. Throws GuestMemoryError outside RAM. */
  write(gpa: number, bytes: Uint8Array): void {
    const region = this.#region(gpa, bytes.length, 'a write');
    this.#pieces(region, gpa, bytes.length, (view, done) => view.set(bytes.subarray(done, done + view.length)));
    this.markWritten(region, gpa - region.base, bytes.length);
  }

  /** Zeroes `length` bytes. Does not touch pages that were never touched, so a large BSS costs no memory. */
  zero(gpa: number, length: number): void {
    const region = this.#region(gpa, length, 'a write');
    const start = gpa - region.base;
    for (const [from, to] of this.residentRuns(region)) {
      const lo = Math.max(from, start);
      const hi = Math.min(to, start + length);
      if (lo >= hi) continue;
      this.#pieces(region, region.base + lo, hi - lo, (view) => view.fill(0));
      this.markWritten(region, lo, hi - lo);
    }
  }

  /** Marks a byte range of a region as written by the host. */
  markWritten(region: Region, offset: number, length: number): void {
    if (length === 0) return;
    const first = Math.floor(offset / PAGE_SIZE);
    region.hostDirty.add(first, Math.floor((offset + length - 1) / PAGE_SIZE) - first + 1);
  }

  /** Reads a little-endian unsigned integer of 1, 2, 4 or 8 bytes. */
  readUint(gpa: number, width: 1 | 2 | 4 | 8): bigint {
    const bytes = this.read(gpa, width);
    return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  /** The two bytes at an even address, read at once: another thread's write is seen whole. Throws GuestMemoryError. */
  readWord(gpa: number): number {
    const { buffer, byteOffset } = this.view(gpa, 2);
    return Atomics.load(new Uint16Array(buffer, byteOffset, 1), 0);
  }

  /** Writes two bytes at an even address at once, after all that was written before. Throws GuestMemoryError. */
  writeWord(gpa: number, value: number): void {
    const { buffer, byteOffset } = this.view(gpa, 2);
    Atomics.store(new Uint16Array(buffer, byteOffset, 1), 0, value);
    const region = this.find(gpa, 2)!;
    this.markWritten(region, gpa - region.base, 2);
  }

  /** Byte runs of a region that were ever touched, as [offset, end). */
  *residentRuns(region: Region): Generator<readonly [start: number, end: number]> {
    if (this.#closed) throw new GuestMemoryError('CLOSED', 'guest memory was used after it was disposed of');
    this.arrival?.needAll();
    const written = () => fileRuns(this.#file?.number ?? this.fd, region);
    if (this.fd !== PRIVATE) yield* written();
    else if (this.#file) yield* eitherRuns(written(), ownRuns(region.mapping));
    else yield [0, region.size]; // borrowed: only the owner has the file
  }

  /** Unmaps all regions. Every later access throws. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#file) this.arrival?.leave();
    for (const region of this.regions) region.mapping[Symbol.dispose]();
    this.#file?.[Symbol.dispose]();
  }
}

const PRIVATE = -1;
