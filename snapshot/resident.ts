/** Memory that was ever touched: what a first checkpoint holds. */
import { PAGE_SIZE } from '../src/memory/bitmap.ts';
import type { GuestMemory } from '../src/memory/guest-memory.ts';
import { splitAtWindows } from './dirty-tracker.ts';
import type { PageRun } from './store/store-types.ts';

/** Live views of that memory, ascending. */
export function residentRuns(memory: GuestMemory): PageRun[] {
  const runs: PageRun[] = [];
  for (const region of memory.regions) {
    for (const [start, end] of memory.residentRuns(region)) {
      splitAtWindows(start, end - start, (offset, length) => {
        runs.push({ gpa: region.base + offset, bytes: memory.view(region.base + offset, length) });
      });
    }
  }
  return runs;
}

/** Guest-physical addresses of the pages of that memory. */
export function* residentPages(memory: GuestMemory): Generator<number> {
  for (const { gpa, bytes } of residentRuns(memory)) {
    for (let at = 0; at < bytes.length; at += PAGE_SIZE) yield gpa + at;
  }
}
