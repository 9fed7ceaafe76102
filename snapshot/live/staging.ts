import { bitmapWords, forEachRun, PAGE_SIZE } from '../../src/memory/bitmap.ts';
import type { GuestMemory } from '../../src/memory/guest-memory.ts';
import type { PageRun } from '../store/store-types.ts';

/** A staged run, as it crosses to the writer's thread. */
export interface StagedRun {
  readonly gpa: number;
  /** Byte offset in the staging memory, and length in bytes. */
  readonly offset: number;
  readonly length: number;
}

const FIRST_PAGES = 1024;
const GROWTH = 1.5;
const NONE = 0;

/**
 * Shared memory to which pages are copied before and during the pause, and from which the writer thread compresses them.
 * It stays allocated between checkpoints, so that a pause takes no page faults. Each page has one slot: a later copy
 * replaces an earlier one. After a first checkpoint it is as large as the guest's resident memory.
 */
export class Staging {
  /** Slot + 1 of each RAM page, by region; 0: not staged. */
  readonly #slots: readonly { readonly base: number; readonly size: number; readonly slots: Uint32Array }[];
  #buffer = new SharedArrayBuffer(FIRST_PAGES * PAGE_SIZE);
  #bytes = new Uint8Array(this.#buffer);
  #used = 0;
  #gpas = new Float64Array(FIRST_PAGES);

  constructor(memory: GuestMemory) {
    this.#slots = memory.regions.map(({ base, size }) => ({
      base,
      size,
      slots: new Uint32Array(bitmapWords(size / PAGE_SIZE) * 32),
    }));
  }

  /** Pages staged so far. */
  get pages(): number {
    return this.#used;
  }

  /** Pages that fit without allocating. */
  get capacity(): number {
    return this.#bytes.length / PAGE_SIZE;
  }

  /** The memory that {@link runs} refers to. Replaced when it has to grow. */
  get buffer(): SharedArrayBuffer {
    return this.#buffer;
  }

  /** Makes room for `pages` more pages. `touch` writes to each, so that copying into them takes no page faults. */
  reserve(pages: number, { touch = true } = {}): void {
    const wanted = this.#used + pages;
    if (wanted <= this.capacity) return;
    const capacity = this.#used === 0 ? wanted : Math.ceil(Math.max(wanted, this.capacity * GROWTH));
    const buffer = new SharedArrayBuffer(capacity * PAGE_SIZE);
    const bytes = new Uint8Array(buffer);
    bytes.set(this.#bytes.subarray(0, this.#used * PAGE_SIZE));
    if (touch) for (let at = this.#used * PAGE_SIZE; at < bytes.length; at += PAGE_SIZE) bytes[at] = 0;
    const gpas = new Float64Array(capacity);
    gpas.set(this.#gpas.subarray(0, this.#used));
    this.#buffer = buffer;
    this.#bytes = bytes;
    this.#gpas = gpas;
  }

  /** Copies a run of pages, replacing earlier copies of them. */
  put({ gpa, bytes }: PageRun): void {
    const region = this.#slots.find((r) => gpa >= r.base && gpa < r.base + r.size)!;
    const first = (gpa - region.base) / PAGE_SIZE;
    const count = bytes.length / PAGE_SIZE;
    this.reserve(count);
    if (this.#isFresh(region.slots, first, count)) this.#append(region.slots, first, gpa, bytes);
    else if (this.#isInARow(region.slots, first, count)) this.#bytes.set(bytes, (region.slots[first]! - 1) * PAGE_SIZE);
    else
      for (let i = 0; i < count; i++)
        this.#putPage(region.slots, first + i, gpa + i * PAGE_SIZE, bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE));
  }

  #isFresh(slots: Uint32Array, first: number, count: number): boolean {
    for (let page = first; page < first + count; page++) if (slots[page] !== NONE) return false;
    return true;
  }

  #isInARow(slots: Uint32Array, first: number, count: number): boolean {
    const slot = slots[first]!;
    for (let i = 0; i < count; i++) if (slot === NONE || slots[first + i] !== slot + i) return false;
    return true;
  }

  #append(slots: Uint32Array, first: number, gpa: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#used * PAGE_SIZE);
    for (let i = 0; i < bytes.length / PAGE_SIZE; i++) {
      slots[first + i] = this.#used + 1;
      this.#gpas[this.#used++] = gpa + i * PAGE_SIZE;
    }
  }

  #putPage(slots: Uint32Array, page: number, gpa: number, bytes: Uint8Array): void {
    const slot = slots[page]!;
    if (slot === NONE) this.#append(slots, page, gpa, bytes);
    else this.#bytes.set(bytes, (slot - 1) * PAGE_SIZE);
  }

  /** Counts the pages of `sets` (one bitmap a region) that are not staged yet. */
  missing(sets: readonly Uint32Array[]): number {
    let count = 0;
    this.#slots.forEach(({ slots }, region) => {
      forEachRun(sets[region]!, slots.length, (first, pages) => {
        for (let page = first; page < first + pages; page++) if (slots[page] === NONE) count++;
      });
    });
    return count;
  }

  /** Staged pages as runs, ascending by slot. Pages adjacent both here and in the guest form one run. */
  runs(): StagedRun[] {
    const runs: StagedRun[] = [];
    for (let slot = 0; slot < this.#used; ) {
      let end = slot + 1;
      while (end < this.#used && this.#gpas[end] === this.#gpas[end - 1]! + PAGE_SIZE) end++;
      runs.push({ gpa: this.#gpas[slot]!, offset: slot * PAGE_SIZE, length: (end - slot) * PAGE_SIZE });
      slot = end;
    }
    return runs;
  }

  /** Removes all pages; the memory stays allocated. */
  clear(): void {
    for (let slot = 0; slot < this.#used; slot++) {
      const gpa = this.#gpas[slot]!;
      const region = this.#slots.find((r) => gpa >= r.base && gpa < r.base + r.size)!;
      region.slots[(gpa - region.base) / PAGE_SIZE] = NONE;
    }
    this.#used = 0;
  }
}
