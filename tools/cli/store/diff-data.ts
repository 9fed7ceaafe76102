/** A comparison of two checkpoints as JSON. */
import type { CheckpointDiff } from '../../../snapshot/diff/diff.ts';
import { changesData } from './state-data.ts';

/** Page lists are for drawing; ranges name their symbol in one word. */
export function diffData({ a, b, state, memory: { pages: _, ranges, ...sums }, remarks }: CheckpointDiff) {
  const rangeData = ranges.map(({ symbol, ...range }) => ({
    ...range,
    ...(symbol && { symbol: symbol.name, offset: Number(range.linear! - symbol.address), section: symbol.section }),
  }));
  return { a, b, state: changesData(state), memory: { ...sums, ranges: rangeData }, remarks };
}
