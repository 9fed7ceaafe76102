/** Where in guest memory checkpoints changed pages: a common axis with the untouched parts left out, and bins on it. */

import { isDiskPage } from '../disk-blocks.ts';
import { ifThere } from '../store/disk/blobs.ts';
import type { Digest } from '../store/format/digest.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { LogEntry } from '../store/history/history.ts';
import type { Store } from '../store/store.ts';
import { coalesce } from './memory-map.ts';

/** A stretch of guest-physical memory. Bytes. */
interface MemoryStretch {
  readonly gpa: number;
  readonly length: number;
}

/** Bins, ascending and disjoint, over the stretches that were touched at all. */
export interface HeatAxis {
  readonly bins: readonly MemoryStretch[];
  readonly stretches: readonly MemoryStretch[];
}

/** The axis is cut at gaps at most so often: every cut is something the reader must keep in mind. */
const MAX_STRETCHES = 6;

/**
 * Addresses of the pages of RAM in which a checkpoint differs from its parent, by its page map, ascending; of a first
 * checkpoint, or one whose parent is gone, all pages with content. Empty for one that was removed since `log`.
 */
export function dirtyPages(store: Store, { digest, parent }: LogEntry): number[] {
  const open = (ref: Digest) => store.open(ref);
  using checkpoint = ifThere(store.blobs, digest, open);
  if (!checkpoint) return [];
  using before = parent && ifThere(store.blobs, parent, open);
  if (before) return checkpoint.pagesUnlike(before).filter((gpa) => !isDiskPage(gpa));
  const held: number[] = [];
  checkpoint.forEachPage(({ gpa, kind }) => {
    if (kind !== 'zero' && !isDiskPage(gpa)) held.push(gpa);
  });
  return held;
}

/** An axis for sets of page addresses, with about `count` bins; each bin is whole pages. */
export function heatAxis(sets: readonly (readonly number[])[], count: number): HeatAxis {
  const all = new Float64Array(sets.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const set of sets) {
    all.set(set, end);
    end += set.length;
  }
  const once = all.sort().filter((gpa, i) => gpa !== all[i - 1]);
  const stretches = coalesce(once, MAX_STRETCHES).map(({ gpa, length }) => ({ gpa, length }));
  const pages = stretches.reduce((sum, { length }) => sum + length / PAGE_SIZE, 0);
  const binBytes = Math.max(1, Math.ceil(pages / count)) * PAGE_SIZE;
  const bins = stretches.flatMap(({ gpa, length }) =>
    Array.from({ length: Math.ceil(length / binBytes) }, (_, i) => ({
      gpa: gpa + i * binBytes,
      length: Math.min(binBytes, length - i * binBytes),
    })),
  );
  return { bins, stretches };
}

/** The share of each bin's pages that is in the set, 0 to 1. The set is ascending. */
export function heatOf({ bins }: HeatAxis, gpas: readonly number[]): number[] {
  let next = 0;
  return bins.map(({ gpa, length }) => {
    while (next < gpas.length && gpas[next]! < gpa) next++;
    const first = next;
    while (next < gpas.length && gpas[next]! < gpa + length) next++;
    return (next - first) / (length / PAGE_SIZE);
  });
}
