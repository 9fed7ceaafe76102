/** What the page shows around a comparison: the newest checkpoints of the store, and where each changed memory. */
import type { CheckpointDiff } from '../../../snapshot/diff/diff.ts';
import { dirtyPages } from '../../../snapshot/show/heat.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import type { History } from './html/history-svg.ts';

/** Checkpoints in the drawing; the two compared are in it in any case. */
const SHOWN = 100;

/** Reads page maps only. */
export function historyAround(store: Store, { a, b, memory }: CheckpointDiff): History {
  const same = a.digest === b.digest;
  const sides = new Map<string, string>();
  if (b.digest !== undefined) sides.set(b.digest, 'B');
  if (a.digest !== undefined) sides.set(a.digest, same ? 'A = B' : 'A');
  const entries = store.log().filter(({ digest }, i) => i < SHOWN || sides.has(digest));
  const dirty = new Map<string, readonly number[]>(entries.map((entry) => [entry.digest, dirtyPages(store, entry)]));
  return { entries, dirty, sides, changed: memory.pages };
}
