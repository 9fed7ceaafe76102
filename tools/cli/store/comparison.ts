/** A comparison of two checkpoints with their text screens: what the forms of `vmlapse diff` show. */
import type { CheckpointDiff } from '../../../snapshot/diff/diff.ts';
import { type DiffOptions, diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import type { DiffTarget } from '../../../snapshot/diff/diff-target.ts';
import type { Checkpoint } from '../../../snapshot/store/memory/checkpoint.ts';
import { CheckpointError } from '../../../src/errors.ts';
import { type RowChange, screenChanges } from '../../screen/difference.ts';
import { type CheckpointScreen, screenOfCheckpoint } from '../../screen/of-machine.ts';
import type { TextOptions } from '../../screen/render.ts';
import type { Screen } from '../../screen/screen.ts';

/** What differs, and both screens. */
export interface Comparison extends CheckpointDiff {
  /** Absent where a checkpoint has no display, or one that cannot be read. */
  readonly screens?: { readonly before: Screen; readonly after: Screen };
}

/** As `diffCheckpoints`. Throws CheckpointError. */
export function compare(a: Checkpoint, b: DiffTarget, options: DiffOptions): Comparison {
  const diff = diffCheckpoints(a, b, options);
  const [before, after] = [a, b].map(screenOrNone);
  return { ...diff, ...(before && after && { screens: { before, after } }) };
}

/** The rows of the screens that differ. */
export const rowChanges = ({ screens }: Comparison, options: TextOptions = {}): RowChange[] =>
  screens ? screenChanges(screens.before, screens.after, options) : [];

function screenOrNone(checkpoint: CheckpointScreen): Screen | undefined {
  try {
    return screenOfCheckpoint(checkpoint);
  } catch (error) {
    if (error instanceof CheckpointError) return undefined;
    throw error;
  }
}
