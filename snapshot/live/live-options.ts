/** How checkpoints of a machine that runs are taken. */
import { BOOLEAN, FUNCTION, MILLISECONDS, NUMBER, type OptionKinds } from '../../src/options.ts';
import { CHECKPOINT_OPTIONS, type CheckpointOptions } from '../checkpoint-options.ts';
import type { OnProgress } from '../store/store-types.ts';

/** How a live checkpoint is taken. */
export interface LiveOptions extends Omit<CheckpointOptions, 'verifyDirty'> {
  /** Pre-copy rounds at most. Default 5. */
  readonly maxRounds?: number;
  /**
   * Longest pause, in milliseconds. A checkpoint is given up if a longer pause is expected, and dropped if its pause was
   * longer. Both reject with PAUSE_TOO_LONG.
   */
  readonly maxPauseMs?: number;
  /** When it was requested, by performance.now(). Default: now. */
  readonly askedAt?: number;
  /** When the guest was stopped for this checkpoint, by performance.now(); it stays stopped until {@link LiveOptions.onTaken}. */
  readonly stoppedAt?: number;
  /** Called when everything is copied: the guest may run on. */
  readonly onTaken?: () => void;
  /** Called at most every 100 ms with the bytes written so far and the bytes to write. */
  readonly onProgress?: OnProgress;
  /** Leaves the machine paused. Default: it runs on, if it ran. */
  readonly stayPaused?: boolean;
}

/** The kinds of {@link LiveOptions}. */
export const LIVE_OPTIONS: OptionKinds<LiveOptions> = {
  ...CHECKPOINT_OPTIONS,
  maxRounds: NUMBER,
  maxPauseMs: MILLISECONDS,
  askedAt: MILLISECONDS,
  stoppedAt: MILLISECONDS,
  onTaken: FUNCTION,
  onProgress: FUNCTION,
  stayPaused: BOOLEAN,
};
