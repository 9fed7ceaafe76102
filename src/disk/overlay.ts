/**
 * A disk: an image file that is only read, and over it the blocks that the guest has written. Those are memory of the
 * machine, as its RAM is, at addresses that no guest has: so checkpoints, rollback, forks and the store treat them as pages.
 */
import { DiskError } from '../errors.ts';
import { forEachRun, setBits } from '../memory/bitmap.ts';
import { GuestMemory, type Region } from '../memory/guest-memory.ts';
import type { PagePart } from '../memory/page-space.ts';
import type { Disk } from './disk.ts';
import { readImageAt } from './image.ts';
import { BASE_BLOCK_BYTES as BLOCK } from './limits.ts';
import { BITS_PER_PAGE, eachPresent, type OverlayLayout, overlayLayout } from './overlay-layout.ts';

const WORDS_PER_PAGE = BLOCK / 4;

/** Fresh memory for an overlay. Throws GuestMemoryError. */
export function overlayMemory(index: number, bytes: number): GuestMemory {
  const { base, bytes: size } = overlayLayout(index, bytes);
  return GuestMemory.outsideRam(base, size);
}

/** The image under an overlay, which any thread of the process can read. */
export interface OverlayBase {
  readonly fd: number;
  readonly bytes: number;
}

/** See the file's header. Threads may read and write at once; where they write one block, either may win. */
export class OverlayDisk implements Disk, PagePart, Disposable {
  readonly bytes: number;
  readonly readOnly: boolean;
  readonly memory: GuestMemory;
  readonly layout: OverlayLayout;
  readonly base: OverlayBase;
  /** Views of the summary and of the presence bitmap's pages that were looked at; none when the disk is disposed of. */
  #summaryWords: Uint32Array | undefined;
  #presenceWords: (Uint32Array | undefined)[] = [];
  #closed = false;

  /** `memory`: of {@link overlayMemory}, or a copy of such. */
  constructor(index: number, base: OverlayBase, readOnly: boolean, memory: GuestMemory) {
    this.bytes = base.bytes;
    this.readOnly = readOnly;
    this.memory = memory;
    this.layout = overlayLayout(index, base.bytes);
    this.base = base;
  }

  get #summary(): Uint32Array {
    this.#summaryWords ??= this.#words(this.layout.summary);
    return this.#summaryWords;
  }

  #presence(page: number): Uint32Array {
    const words = this.#presenceWords[page] ?? this.#words(this.layout.presence + page * BLOCK);
    this.#presenceWords[page] = words;
    return words;
  }

  /** Fills `into` from `offset` on. Throws DiskError. */
  read(offset: number, into: Uint8Array): void {
    this.#checkRange('a read', offset, into.length);
    this.#eachRun(offset, into.length, (present, at, length) => {
      const part = into.subarray(at - offset, at - offset + length);
      if (present) this.memory.readInto(this.layout.base + at, part);
      else readImageAt(this.base.fd, this.bytes, at, part);
    });
  }

  /** Writes `bytes` at `offset`; a block that is written in part is first copied from the image. Throws DiskError. */
  write(offset: number, bytes: Uint8Array): void {
    this.#checkWrite(offset, bytes.length);
    this.#fillEnds(offset, bytes.length);
    this.memory.write(this.layout.base + offset, bytes);
    this.#setPresent(offset, bytes.length);
  }

  /** Makes `length` bytes from `offset` on zero. Blocks that were never written take no memory. Throws DiskError. */
  zero(offset: number, length: number): void {
    this.#checkWrite(offset, length);
    this.#fillEnds(offset, length);
    this.#zeroPresent(offset, length);
    this.#setPresent(offset, length);
  }

  /** Blocks of the overlay that lie in the range as a whole become zero, and take no room in a checkpoint. Throws DiskError. */
  discard(offset: number, length: number): void {
    this.#checkWrite(offset, length);
    const first = Math.ceil(offset / BLOCK) * BLOCK;
    const end = offset + length === this.bytes ? this.bytes : Math.floor((offset + length) / BLOCK) * BLOCK;
    if (first < end) this.#zeroPresent(first, end - first);
  }

  /** What counts of the overlay: data that is present, the presence bitmap's pages that are used, and the summary. */
  *residentRuns(region: Region): Generator<readonly [start: number, end: number]> {
    const { presence, summary } = this.layout;
    const present: (readonly [number, number])[] = [];
    eachPresent(
      this.layout,
      this.#summary,
      (page) => this.#presence(page),
      (first, count) => present.push([first * BLOCK, (first + count) * BLOCK]),
    );
    yield* overlaps(present, this.memory.residentRuns(region));
    const pages: (readonly [number, number])[] = [];
    forEachRun(this.#summary, (summary - presence) / BLOCK, (first, count) => {
      pages.push([presence + first * BLOCK, presence + (first + count) * BLOCK]);
    });
    yield* pages;
    if (pages.length > 0) yield [summary, summary + BLOCK];
  }

  /** The words of a page of the two bitmaps. */
  #words(offset: number): Uint32Array {
    const { buffer, byteOffset } = this.memory.view(this.layout.base + offset, BLOCK);
    return new Uint32Array(buffer, byteOffset, WORDS_PER_PAGE);
  }

  /** Whether a block is in the overlay. */
  #isPresent(block: number): boolean {
    const page = Math.floor(block / BITS_PER_PAGE);
    if (((this.#summary[page >>> 5]! >>> (page & 31)) & 1) === 0) return false;
    const bit = block % BITS_PER_PAGE;
    return ((this.#presence(page)[bit >>> 5]! >>> (bit & 31)) & 1) === 1;
  }

  /** Cuts a byte range where blocks that are present meet those that are not. */
  #eachRun(offset: number, length: number, visit: (present: boolean, at: number, length: number) => void): void {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const present = this.#isPresent(Math.floor(at / BLOCK));
      let until = (Math.floor(at / BLOCK) + 1) * BLOCK;
      while (until < end && this.#isPresent(until / BLOCK) === present) until += BLOCK;
      visit(present, at, Math.min(until, end) - at);
      at = until;
    }
  }

  /** Copies the first and the last block from the image, where a write does not cover them and they are not present. */
  #fillEnds(offset: number, length: number): void {
    if (length === 0) return;
    const end = offset + length;
    if (offset % BLOCK !== 0) this.#fill(Math.floor(offset / BLOCK));
    if (end % BLOCK !== 0 && end !== this.bytes) this.#fill(Math.floor(end / BLOCK));
  }

  #fill(block: number): void {
    if (this.#isPresent(block)) return;
    const content = new Uint8Array(BLOCK);
    readImageAt(this.base.fd, this.bytes, block * BLOCK, content);
    this.memory.write(this.layout.base + block * BLOCK, content);
    this.#setPresent(block * BLOCK, BLOCK);
  }

  #zeroPresent(offset: number, length: number): void {
    this.#eachRun(offset, length, (present, at, bytes) => {
      if (!present) return;
      for (let done = 0; done < bytes; done += ZEROS.length)
        this.memory.write(this.layout.base + at + done, ZEROS.subarray(0, bytes - done));
    });
  }

  /** Sets the bits of all blocks that a range touches, and marks the pages of the bitmaps where that changes them. */
  #setPresent(offset: number, length: number): void {
    if (length === 0) return;
    const last = Math.floor((offset + length - 1) / BLOCK);
    for (let block = Math.floor(offset / BLOCK); block <= last; ) {
      const page = Math.floor(block / BITS_PER_PAGE);
      const count = Math.min(last + 1, (page + 1) * BITS_PER_PAGE) - block;
      const changed = addBits(this.#presence(page), block % BITS_PER_PAGE, count);
      if (changed) this.#mark(this.layout.presence + page * BLOCK);
      if (addBits(this.#summary, page, 1)) this.#mark(this.layout.summary);
      block += count;
    }
  }

  #mark(offset: number): void {
    this.memory.markWritten(this.memory.regions[0]!, offset, BLOCK);
  }

  /** Ends the use of the memory, and unmaps it if this object's memory owns it. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.#summaryWords = undefined;
    this.#presenceWords = [];
    this.memory[Symbol.dispose]();
  }

  #checkWrite(offset: number, length: number): void {
    this.#checkRange('a write', offset, length);
    if (this.readOnly) throw new DiskError('READ_ONLY', `${length} bytes at ${offset}: the disk is read-only`);
  }

  #checkRange(what: string, offset: number, length: number): void {
    if (this.#closed) throw new DiskError('CLOSED', 'a disk was used after its machine was disposed of');
    if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.bytes) return;
    const where = `${what} of ${length} bytes at byte ${offset}`;
    throw new DiskError('OUT_OF_RANGE', `${where} reaches past the disk's ${this.bytes} bytes`, 0, { offset, length });
  }
}

const ZEROS = new Uint8Array(2 ** 16);

/** Sets bits; false if all were set already. */
function addBits(words: Uint32Array, first: number, count: number): boolean {
  let all = true;
  for (let bit = first; all && bit < first + count; bit++) all = ((words[bit >>> 5]! >>> (bit & 31)) & 1) === 1;
  if (!all) setBits(words, first, count);
  return !all;
}

/** What lies in a range of both lists, which ascend. */
function* overlaps(
  a: readonly (readonly [number, number])[],
  b: Iterable<readonly [number, number]>,
): Generator<readonly [number, number]> {
  let next = 0;
  for (const [from, to] of b) {
    while (next < a.length && a[next]![1] <= from) next++;
    for (let i = next; i < a.length && a[i]![0] < to; i++) {
      const [start, end] = [Math.max(from, a[i]![0]), Math.min(to, a[i]![1])];
      if (start < end) yield [start, end];
    }
  }
}
