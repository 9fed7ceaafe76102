import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import type { PageSpace } from '../../src/memory/page-space.ts';
import type { PageSets } from '../dirty-tracker.ts';
import type { PageRun } from '../store/store-types.ts';

/** A staged run, as it crosses to the writer's thread. */
export interface StagedRun {
  readonly gpa: number;
  /** Byte offset in the staging memory, and length in bytes. */
  readonly offset: number;
  readonly length: number;
}

/** The slots of a region's pages: slot + 1, 0 where a page is not staged. Tables are made when they are first needed. */
interface RegionSlots {
  readonly base: number;
  readonly size: number;
  readonly tables: Uint32Array[];
}

/** Pages of a table: 32 MiB of memory. */
const TABLE_PAGES = 2 ** 13;
const FIRST_PAGES = 1024;
const GROWTH = 1.5;
const NONE = 0;

/**
 * Shared memory to which pages are copied before and during the pause, and from which the writer thread compresses them.
 * It stays allocated between checkpoints, so that a pause takes no page faults. Each page has one slot: a later copy
 * replaces an earlier one. After a first checkpoint it is as large as the guest's resident memory.
 */
export class Staging {
  readonly #regions: readonly RegionSlots[];
  #buffer = new SharedArrayBuffer(FIRST_PAGES * PAGE_SIZE);
  #bytes = new Uint8Array(this.#buffer);
  #used = 0;
  #gpas = new Float64Array(FIRST_PAGES);

  constructor({ regions }: PageSpace) {
    this.#regions = regions.map(({ base, size }) => ({ base, size, tables: [] }));
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
    const region = this.#regionOf(gpa);
    const count = bytes.length / PAGE_SIZE;
    this.reserve(count);
    inTables((gpa - region.base) / PAGE_SIZE, count, (table, first, done, pages) => {
      const part = bytes.subarray(done * PAGE_SIZE, (done + pages) * PAGE_SIZE);
      this.#putRun(tableOf(region, table), first, gpa + done * PAGE_SIZE, part);
    });
  }

  #regionOf(gpa: number): RegionSlots {
    return this.#regions.find((r) => gpa >= r.base && gpa < r.base + r.size)!;
  }

  #putRun(slots: Uint32Array, first: number, gpa: number, bytes: Uint8Array): void {
    const count = bytes.length / PAGE_SIZE;
    if (this.#isFresh(slots, first, count)) this.#append(slots, first, gpa, bytes);
    else if (this.#isInARow(slots, first, count)) this.#bytes.set(bytes, (slots[first]! - 1) * PAGE_SIZE);
    else
      for (let i = 0; i < count; i++)
        this.#putPage(slots, first + i, gpa + i * PAGE_SIZE, bytes.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE));
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

  /** Counts the pages of `sets` that are not staged yet. Their tables are there afterwards. */
  missing(sets: PageSets): number {
    let count = 0;
    this.#regions.forEach((region, i) => {
      sets[i]!.forEachRun((from, length) => {
        inTables(from, length, (table, first, _, pages) => {
          const slots = tableOf(region, table);
          for (let page = first; page < first + pages; page++) if (slots[page] === NONE) count++;
        });
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
      const region = this.#regionOf(gpa);
      const page = (gpa - region.base) / PAGE_SIZE;
      tableOf(region, Math.floor(page / TABLE_PAGES))[page % TABLE_PAGES] = NONE;
    }
    this.#used = 0;
  }
}

function tableOf({ tables }: RegionSlots, table: number): Uint32Array {
  tables[table] ??= new Uint32Array(TABLE_PAGES);
  return tables[table];
}

/** Cuts a run of pages at the ends of tables: calls `visit` with the table, the first page in it, how many came before, and how many come. */
function inTables(
  page: number,
  count: number,
  visit: (table: number, first: number, done: number, pages: number) => void,
): void {
  for (let done = 0; done < count; ) {
    const first = (page + done) % TABLE_PAGES;
    const pages = Math.min(count - done, TABLE_PAGES - first);
    visit(Math.floor((page + done) / TABLE_PAGES), first, done, pages);
    done += pages;
  }
}
