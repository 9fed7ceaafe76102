/** Who wrote the ranges that differ between two checkpoints of one recording. */
import { type MemoryWrite, writesBefore } from '../../../debug/blame/writes.ts';
import { openHistory } from '../../../debug/history.ts';
import { comparePositions } from '../../../debug/recording/position.ts';
import type { ChangedRange } from '../../../snapshot/diff/memory-diff.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import type { Store } from '../../../snapshot/store/store.ts';
import { UsageError } from '../../../src/errors.ts';
import { short } from './format.ts';

/** The last change of each range, where there was one in RAM. */
export type RangeBlame = ReadonlyMap<ChangedRange, MemoryWrite>;

/** So much of a range is looked at: all of it is compared after each step. */
const LOOKED_AT_BYTES = 64;

/** Throws UsageError where `before` is no earlier checkpoint of the recording of `after`, ReplayDivergence. */
export function blameRanges(store: Store, before: Digest, after: Digest, ranges: readonly ChangedRange[]): RangeBlame {
  using history = openHistory(store, after);
  const start = history.recording.points.find(({ digest }) => digest === before);
  if (!start)
    throw new UsageError(
      `--blame: ${short(before)} is not in the recording that leads to ${short(after)}: give an earlier one of it`,
    );
  let offset = 0;
  const open = ranges.flatMap((range) => {
    if (!history.machine.memory.find(range.gpa, range.length)) return [];
    const piece = { range, gpa: range.gpa, length: Math.min(range.length, LOOKED_AT_BYTES), offset };
    offset += piece.length;
    return [piece];
  });
  const left = new Set(open);
  const found = new Map<ChangedRange, MemoryWrite>();
  if (left.size === 0) return found;
  for (const write of writesBefore(history.replayer, open, history.end)) {
    if (comparePositions(write.position, { exits: start.exits, steps: 0 }) < 0) break;
    for (const piece of left) {
      const of = (bytes: Uint8Array) => bytes.slice(piece.offset, piece.offset + piece.length);
      const [old, now] = [of(write.old), of(write.new)];
      if (Buffer.compare(old, now) === 0) continue;
      found.set(piece.range, { ...write, old, new: now });
      left.delete(piece);
    }
    if (left.size === 0) break;
  }
  return found;
}
