/** Which pages of guest memory were ever touched, as the kernel knows it: by holes in files, and by a mapping's own pages. */
import { closeSync, openSync, readSync } from 'node:fs';
import { PAGE_SIZE } from '../abi/numbers.ts';
import { GuestMemoryError } from '../errors.ts';
import { dataRuns, type Mapping } from '../ffi/mapping.ts';
import type { Region } from './regions.ts';

/** Bytes as [offset, end). */
type Run = readonly [start: number, end: number];

// Bits 61 to 63 of an entry of /proc/self/pagemap, in its upper half (Documentation/admin-guide/mm/pagemap.rst).
const OF_FILE = 1 << 29;
const SWAPPED = 1 << 30;
const PRESENT = 1 << 31;

const ENTRY_BYTES = 8;
const ENTRIES_AT_ONCE = 2 ** 16;

const isOwn = (high: number) => (high & (PRESENT | SWAPPED)) !== 0 && (high & OF_FILE) === 0;

/** Runs of a region that hold data in its memory file, ascending. */
export function* fileRuns(fd: number, { fileOffset, size }: Region): Generator<Run> {
  for (const [from, to] of dataRuns(fd, fileOffset + size)) {
    const start = Math.max(from - fileOffset, 0);
    if (start < to - fileOffset) yield [start, to - fileOffset];
  }
}

/**
 * Pages of a copy-on-write mapping that are its own, because they were written: runs, ascending. Throws GuestMemoryError where
 * /proc/self/pagemap cannot be read.
 */
export function* ownRuns(mapping: Mapping): Generator<Run> {
  const pages = mapping.length / PAGE_SIZE;
  const entries = new Uint32Array(2 * Math.min(pages, ENTRIES_AT_ONCE));
  const fd = openPagemap();
  try {
    let start = -1;
    for (let first = 0; first < pages; first += ENTRIES_AT_ONCE) {
      const count = Math.min(ENTRIES_AT_ONCE, pages - first);
      const position = (mapping.address / BigInt(PAGE_SIZE) + BigInt(first)) * BigInt(ENTRY_BYTES);
      readWhole(fd, new Uint8Array(entries.buffer, 0, count * ENTRY_BYTES), position);
      for (let i = 0; i < count; i++) {
        const own = isOwn(entries[2 * i + 1]!);
        if (own && start < 0) start = first + i;
        if (own || start < 0) continue;
        yield [start * PAGE_SIZE, (first + i) * PAGE_SIZE];
        start = -1;
      }
    }
    if (start >= 0) yield [start * PAGE_SIZE, mapping.length];
  } finally {
    closeSync(fd);
  }
}

function openPagemap(): number {
  try {
    return openSync('/proc/self/pagemap', 'r');
  } catch (error) {
    throw new GuestMemoryError('PAGEMAP', `what a copy-on-write memory has of its own is not known: ${error}`);
  }
}

function readWhole(fd: number, into: Uint8Array, position: bigint): void {
  const length = readSync(fd, into, 0, into.length, position);
  if (length !== into.length)
    throw new GuestMemoryError('PAGEMAP', `/proc/self/pagemap gave ${length} of ${into.length} bytes`);
}

/** What is in either of two lists, ascending. */
export function* eitherRuns(a: Iterable<Run>, b: Iterable<Run>): Generator<Run> {
  let open: [number, number] | undefined;
  for (const [start, end] of [...a, ...b].sort((x, y) => x[0] - y[0])) {
    if (open && start <= open[1]) open[1] = Math.max(open[1], end);
    else {
      if (open) yield open;
      open = [start, end];
    }
  }
  if (open) yield open;
}
