/** Compares all of RAM with the parent, to find pages that the dirty set missed. */
import { forEachRun, PAGE_SIZE } from '../src/memory/bitmap.ts';
import type { GuestMemory } from '../src/memory/guest-memory.ts';
import type { PageSets } from './dirty-tracker.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';

/** What the comparison found. Addresses are guest-physical. */
export interface LogReport {
  /** Pages in the dirty set. */
  readonly logged: number;
  /** Of these, pages whose content is the same as before. */
  readonly unchanged: number;
  /** Pages that changed without being in the set. Empty, unless something is broken. */
  readonly missed: readonly number[];
}

const CHUNK_PAGES = 256;

/** Compares every page of RAM with `parent`. The machine must be paused. */
export function checkAgainstMemory(memory: GuestMemory, sets: PageSets, parent: Checkpoint): LogReport {
  const logged = new Set<number>();
  memory.regions.forEach((region, i) => {
    forEachRun(sets[i]!, region.size / PAGE_SIZE, (first, count) => {
      for (let page = first; page < first + count; page++) logged.add(region.base + page * PAGE_SIZE);
    });
  });
  let unchanged = 0;
  const missed: number[] = [];
  const before = new Uint8Array(CHUNK_PAGES * PAGE_SIZE);
  const pages = pagesOf(memory, parent);
  for (let i = 0; i < pages.length; i += CHUNK_PAGES) {
    const gpas = pages.slice(i, i + CHUNK_PAGES);
    parent.readPages(gpas, before);
    gpas.forEach((gpa, at) => {
      const same =
        Buffer.compare(memory.view(gpa, PAGE_SIZE), before.subarray(at * PAGE_SIZE, (at + 1) * PAGE_SIZE)) === 0;
      if (same && logged.has(gpa)) unchanged++;
      if (!same && !logged.has(gpa)) missed.push(gpa);
    });
  }
  return { logged: logged.size, unchanged, missed };
}

/** Pages that were ever touched, or that the checkpoint has; the others are zero in both, and are not read. */
function pagesOf(memory: GuestMemory, parent: Checkpoint): number[] {
  const pages = new Set(parent.pages().flatMap(({ gpa, kind }) => (kind === 'zero' ? [] : [gpa])));
  for (const region of memory.regions) {
    for (const [start, end] of memory.residentRuns(region))
      for (let at = start; at < end; at += PAGE_SIZE) pages.add(region.base + at);
  }
  return [...pages].sort((a, b) => a - b);
}
