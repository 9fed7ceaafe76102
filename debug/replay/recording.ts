/** A recording in a store: the checkpoints from its beginning to one of them, and the logs between. */
import type { Digest } from '../../snapshot/store/format/digest.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import type { Store } from '../../snapshot/store/store.ts';
import { checkArguments, STORE } from '../../src/arguments.ts';
import { CheckpointError, UsageError } from '../../src/errors.ts';
import { TEXT } from '../../src/options.ts';
import { EXITS_STAT } from '../recording/recorder.ts';
import { decodeSegment, type Segment } from '../recording/segment.ts';

/** A checkpoint of a recording. */
export interface RecordedPoint {
  readonly digest: Digest;
  /** Exits that the guest had made, interruptions included; its position has no steps. */
  readonly exits: number;
}

/** Logs that are kept unpacked. */
const KEPT = 4;

/** See the file's header. */
export class Recording {
  readonly store: Store;
  /** From position 0 on. */
  readonly points: readonly RecordedPoint[];
  readonly #segments = new Map<number, Segment>();

  /** Use {@link openRecording}. */
  constructor(store: Store, points: readonly RecordedPoint[]) {
    this.store = store;
    this.points = points;
  }

  /** The last position. */
  get exits(): number {
    return this.points.at(-1)!.exits;
  }

  /** The interval that leads to point `index`, from 1 on. Throws CheckpointError. */
  segment(index: number): Segment {
    const known = this.#segments.get(index);
    if (known) return known;
    const { digest, exits } = this.points[index]!;
    const where = digest.slice(0, 19);
    const bytes = this.store.recording(digest);
    if (!bytes) throw new CheckpointError('CORRUPT', `checkpoint ${where} has no recording`);
    const segment = decodeSegment(bytes, where);
    if (segment.from !== this.points[index - 1]!.exits || segment.to !== exits)
      throw new CheckpointError('CORRUPT', `the recording of ${where} is of another interval; verify the store`);
    const [oldest] = this.#segments.keys();
    if (this.#segments.size >= KEPT) this.#segments.delete(oldest!);
    this.#segments.set(index, segment);
    return segment;
  }

  /** Index of the last point at or before a number of exits. */
  pointBefore(exits: number): number {
    let low = 0;
    let high = this.points.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.points[middle]!.exits <= exits) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Whether the position of so many exits is an interruption, which the guest did not make. Throws CheckpointError. */
  isInterruption(exits: number): boolean {
    for (let i = this.pointBefore(exits); i > 0 && this.points[i]!.exits === exits; i--)
      if (this.segment(i).interruption) return true;
    return false;
  }

  /** Opens the checkpoint of a point. Dispose it after use. */
  open(index: number): Checkpoint {
    return this.store.open(this.points[index]!.digest);
  }
}

/**
 * Opens the recording that leads to the checkpoint `ref`. Throws UsageError for a checkpoint of no recording, CheckpointError
 * where a part is missing.
 */
export function openRecording(store: Store, ref = 'latest'): Recording {
  checkArguments('openRecording', [store, STORE], [ref, TEXT]);
  const points: RecordedPoint[] = [];
  for (let digest: Digest | undefined = store.resolve(ref); ; ) {
    const { stats, recording, parent } = store.manifest(digest);
    const exits = stats[EXITS_STAT];
    if (exits === undefined) throw notRecorded(ref, points.length > 0);
    points.unshift({ digest, exits });
    if (!recording) break;
    if (!parent || store.blobs.sizeOf(parent) === undefined)
      throw new CheckpointError(
        'LOST_PARENT',
        `the recording cannot be run again: the checkpoint before ${digest.slice(0, 19)} is not in the store`,
      );
    digest = parent;
  }
  if (points.length === 1 && points[0]!.exits !== 0) throw notRecorded(ref, false);
  if (points[0]!.exits !== 0 || points.some(({ exits }, i) => i > 0 && exits < points[i - 1]!.exits))
    throw new CheckpointError('LOST_PARENT', `the recording cannot be run again: its beginning is not in the store`);
  return new Recording(store, points);
}

const notRecorded = (ref: string, isBefore: boolean) =>
  new UsageError(
    `${isBefore ? 'a checkpoint before ' : ''}${ref} is of no recording: record with vmlapse run --record --store DIR`,
  );
