/** How checkpoints of a machine are taken, and what is reported of each. */
import { BOOLEAN, FUNCTION, listOf, NUMBER, OBJECT, type OptionKinds, oneOf, TEXT } from '../src/options.ts';
import type { RunEnd } from '../src/runner/result.ts';
import type { GuestOrigin } from './machine-description.ts';
import type { Digest } from './store/format/digest.ts';
import type { PageRun } from './store/store-types.ts';
import type { LogReport } from './verify-dirty.ts';

/** How a session is opened. */
export interface SessionOptions {
  /** The checkpoint that the machine's memory equals now, for one just restored. Absent: the first one is full. */
  readonly base?: Digest;
  readonly guest?: GuestOrigin;
  /** How the dirty log is read. Default: "manual" where KVM can. */
  readonly dirtyLog?: 'manual' | 'legacy';
}

/** The kinds of {@link SessionOptions}. */
export const SESSION_OPTIONS: OptionKinds<SessionOptions> = {
  base: TEXT,
  guest: OBJECT,
  dirtyLog: oneOf('manual', 'legacy'),
};

/** How a checkpoint is taken. */
export interface CheckpointOptions {
  readonly tags?: readonly string[];
  readonly label?: string;
  /** zstd level. Default 1. */
  readonly level?: number;
  /** Compares all of RAM with the parent and reports pages that changed without being logged. Slow; for tests and lessons. */
  readonly verifyDirty?: boolean;
  /** Called in the pause with the pages that may have changed: gives what is kept as the recording since the parent. */
  readonly recording?: (runs: readonly PageRun[]) => Uint8Array | undefined;
  /** Numbers to keep with it. */
  readonly stats?: Readonly<Record<string, number>>;
}

/** The kinds of {@link CheckpointOptions}. */
export const CHECKPOINT_OPTIONS: OptionKinds<CheckpointOptions> = {
  tags: listOf('names', (value) => typeof value === 'string'),
  label: TEXT,
  level: NUMBER,
  verifyDirty: BOOLEAN,
  recording: FUNCTION,
  stats: OBJECT,
};

/** A checkpoint that is on disk. */
export interface CheckpointReport {
  readonly digest: Digest;
  readonly parent?: Digest;
  readonly stats: Readonly<Record<string, number>>;
  /** The intended parent. It was removed from the store, so this checkpoint is full. */
  readonly lostParent?: Digest;
  /** How the guest had ended. */
  readonly ended?: RunEnd;
  /** With `verifyDirty`. */
  readonly log?: LogReport;
  /** Why the checkpoints to be removed after this one are still there. */
  readonly notRemoved?: Error;
}

/** The options of a commit that are just passed on. */
export function commitOptions({ tags, label, level }: CheckpointOptions, parent: Digest | undefined) {
  return {
    ...(parent && { parent }),
    ...(tags && { tags }),
    ...(label !== undefined && { label }),
    ...(level !== undefined && { level }),
  };
}
