/** Memory that was ever touched: what a first checkpoint holds. */
import { PAGE_SIZE } from '../src/memory/bitmap.ts';
import type { PageSpace } from '../src/memory/page-space.ts';
import { splitAtWindows } from './dirty-tracker.ts';
import type { PageRun } from './store/store-types.ts';

/** Live views of that memory, ascending. */
export function residentRuns(pages: PageSpace): PageRun[] {
  const runs: PageRun[] = [];
  for (const { gpa, length } of pages.residentStretches())
    splitAtWindows(gpa, length, (at, bytes) => runs.push({ gpa: at, bytes: pages.view(at, bytes) }));
  return runs;
}

/** Addresses of the pages of that memory. */
export function* residentPages(pages: PageSpace): Generator<number> {
  for (const { gpa, length } of pages.residentStretches())
    for (let at = 0; at < length; at += PAGE_SIZE) yield gpa + at;
}
