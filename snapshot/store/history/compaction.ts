/**
 * When a new layer takes over what is left of the small ones before it, so that a chain stays short and no page is
 * rewritten often: the layers are kept in geometric order of what they still contribute.
 */
import { MAX_LAYERS } from '../format/limits.ts';

/** Below this many layers nothing is compacted. */
const LAZY = 16;
/** Each layer kept contributes at least this fraction of everything newer. 64 layers of it reach past 2^26 pages. */
const FRACTION = 1 / 3;

/**
 * The first of the layers that a commit absorbs, as an index into `weights` (= its length: none). `weights` are the
 * pages each layer still contributes, oldest first; `added` are those of the commit.
 */
export function absorbFrom(weights: readonly number[], added: number): number {
  if (weights.length + 1 <= LAZY) return weights.length;
  let first = Math.min(weights.length, MAX_LAYERS - 1);
  let newer = added + weights.slice(first).reduce((sum, weight) => sum + weight, 0);
  for (let i = first - 1; i >= 0; i--) {
    if (weights[i]! < newer * FRACTION) first = i;
    newer += weights[i]!;
  }
  return first;
}
