/** What a checkpoint says of guest memory: which ranges it holds, how, and which layers it takes them from. */

import { isDiskPage } from '../disk-blocks.ts';
import type { Digest } from '../store/format/digest.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';

/** Pages by how they are kept. */
export interface PageCounts {
  /** Kept as they are. */
  readonly stored: number;
  /** Kept as the difference from another stored page. */
  readonly delta: number;
  /** Known to be zero. */
  readonly zero: number;
}

/** A stretch of guest-physical memory that the checkpoint speaks of; pages outside all stretches are zero. Bytes. */
interface MapRange extends PageCounts {
  readonly gpa: number;
  readonly length: number;
}

/** A layer and how many pages of the checkpoint come from it. */
interface LayerShare {
  readonly digest: Digest;
  /** Compressed bytes. */
  readonly size: number;
  readonly pages: number;
}

export interface MemoryMap extends PageCounts {
  /** Ascending. At most about {@link MAX_RANGES}: small gaps between pages are part of a range. */
  readonly ranges: readonly MapRange[];
  /** Oldest first. */
  readonly layers: readonly LayerShare[];
}

/** A page takes a number and not a name: a checkpoint may have millions. */
const KINDS = ['stored', 'delta', 'zero'] as const;

/** Ranges that a reader can take in. */
const MAX_RANGES = 24;

/** Describes a checkpoint's RAM, and the layers of all its pages. Reads no page. */
export function memoryMap(checkpoint: Checkpoint): MemoryMap {
  const gpas: number[] = [];
  const kinds: number[] = [];
  const shares = new Map<Digest, number>();
  checkpoint.forEachPage(({ gpa, kind, layer, mask }) => {
    if (!isDiskPage(gpa)) {
      gpas.push(gpa);
      kinds.push(KINDS.indexOf(kind));
    }
    const from = mask?.layer ?? layer;
    if (from) shares.set(from, (shares.get(from) ?? 0) + 1);
  });
  return {
    ...countsOf(kinds, 0, kinds.length),
    ranges: coalesce(gpas).map(({ first, count, gpa, length }) => ({
      gpa,
      length,
      ...countsOf(kinds, first, first + count),
    })),
    layers: checkpoint.layers.map(({ digest, size }) => ({ digest, size, pages: shares.get(digest) ?? 0 })),
  };
}

/** Counts the pages from one place in the list to another. */
function countsOf(kinds: readonly number[], from: number, to: number): PageCounts {
  const counts = { stored: 0, delta: 0, zero: 0 };
  for (let i = from; i < to; i++) counts[KINDS[kinds[i]!]!]++;
  return counts;
}

/** A stretch over some of the pages given, by their place in the list. */
export interface Stretch {
  readonly first: number;
  readonly count: number;
  /** Bytes. */
  readonly gpa: number;
  readonly length: number;
}

/**
 * Joins ascending page addresses into at most `most` stretches: neighbours first, then over ever wider gaps.
 */
export function coalesce(gpas: ArrayLike<number>, most = MAX_RANGES): Stretch[] {
  for (let gap = PAGE_SIZE; ; gap *= 4) {
    const stretches = joinUpTo(gpas, gap, most);
    if (stretches) return stretches;
  }
}

/** Undefined when there would be more than `most`. */
function joinUpTo(gpas: ArrayLike<number>, gap: number, most: number): Stretch[] | undefined {
  const stretches: Stretch[] = [];
  for (let first = 0; first < gpas.length; ) {
    let next = first + 1;
    while (next < gpas.length && gpas[next]! - gpas[next - 1]! <= gap) next++;
    const gpa = gpas[first]!;
    stretches.push({ first, count: next - first, gpa, length: gpas[next - 1]! + PAGE_SIZE - gpa });
    if (stretches.length > most) return undefined;
    first = next;
  }
  return stretches;
}
