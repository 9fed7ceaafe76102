/** The last change of each of several pieces of memory, out of changes of any of them. */
import type { MemoryRange, MemoryWrite } from './writes.ts';

/**
 * `writes`: newest first, of all `ranges` together, whose bytes stand one behind the other in them. Reads no further than to where
 * each range has its change.
 */
export function lastWrites<R extends MemoryRange>(
  writes: Iterable<MemoryWrite>,
  ranges: readonly R[],
): Map<R, MemoryWrite> {
  let end = 0;
  const left = new Map<R, readonly [from: number, to: number]>();
  for (const range of ranges) {
    left.set(range, [end, end + range.length]);
    end += range.length;
  }
  const found = new Map<R, MemoryWrite>();
  if (left.size === 0) return found;
  for (const write of writes) {
    for (const [range, [from, to]] of left) {
      const [old, now] = [write.old.slice(from, to), write.new.slice(from, to)];
      if (Buffer.compare(old, now) === 0) continue;
      found.set(range, { ...write, old, new: now });
      left.delete(range);
    }
    if (left.size === 0) break;
  }
  return found;
}
