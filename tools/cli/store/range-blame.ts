/** Who wrote the ranges that differ between two checkpoints of one recording. */
import { lastWrites } from '../../../debug/blame/last-writes.ts';
import { isBefore, type MemoryWrite, writesBefore } from '../../../debug/blame/writes.ts';
import { openHistory } from '../../../debug/history.ts';
import type { RecordedPoint } from '../../../debug/replay/recording.ts';
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
  const open = ranges
    .filter(({ gpa, length }) => history.machine.memory.find(gpa, length))
    .map((range) => ({ range, gpa: range.gpa, length: Math.min(range.length, LOOKED_AT_BYTES) }));
  const found = lastWrites(since(start, writesBefore(history.replayer, open, history.end)), open);
  return new Map([...found].map(([{ range }, write]) => [range, write]));
}

/** The writes behind a point, newest first. */
function* since({ exits }: RecordedPoint, writes: Iterable<MemoryWrite>): Generator<MemoryWrite> {
  for (const write of writes) {
    if (isBefore(write, { exits, steps: 0 })) return;
    yield write;
  }
}
