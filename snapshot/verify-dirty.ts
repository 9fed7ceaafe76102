/** Compares all memory with the parent, to find pages that the dirty set missed. */
import { PAGE_SIZE } from '../src/memory/bitmap.ts';
import type { PageSpace } from '../src/memory/page-space.ts';
import type { PageSets } from './dirty-tracker.ts';
import { residentPages } from './resident.ts';
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

/** Compares every page with `parent`. The machine must be paused. */
export function checkAgainstMemory(space: PageSpace, sets: PageSets, parent: Checkpoint): LogReport {
  const logged = new Set<number>();
  space.regions.forEach((region, i) => {
    sets[i]!.forEachRun((first, count) => {
      for (let page = first; page < first + count; page++) logged.add(region.base + page * PAGE_SIZE);
    });
  });
  let unchanged = 0;
  const missed: number[] = [];
  const before = new Uint8Array(CHUNK_PAGES * PAGE_SIZE);
  const pages = pagesOf(space, parent);
  for (let i = 0; i < pages.length; i += CHUNK_PAGES) {
    const gpas = pages.slice(i, i + CHUNK_PAGES);
    parent.readPages(gpas, before);
    gpas.forEach((gpa, at) => {
      const same =
        Buffer.compare(space.view(gpa, PAGE_SIZE), before.subarray(at * PAGE_SIZE, (at + 1) * PAGE_SIZE)) === 0;
      if (same && logged.has(gpa)) unchanged++;
      if (!same && !logged.has(gpa)) missed.push(gpa);
    });
  }
  return { logged: logged.size, unchanged, missed };
}

/** Pages that were ever touched, or that the checkpoint has; the others are zero in both, and are not read. */
function pagesOf(space: PageSpace, parent: Checkpoint): number[] {
  const pages = new Set(parent.pages().flatMap(({ gpa, kind }) => (kind === 'zero' ? [] : [gpa])));
  for (const gpa of residentPages(space)) pages.add(gpa);
  return [...pages].sort((a, b) => a - b);
}
