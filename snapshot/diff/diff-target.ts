/** The later side of a comparison: an open checkpoint, or a machine as it is at the moment. */
import type { Digest } from '../store/format/digest.ts';
import type { CheckpointConfig, CheckpointInfo } from '../store/format/documents.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';

/** What a comparison reads of its later side. {@link Checkpoint} has all of it. */
export interface DiffTarget extends Disposable {
  /** Absent for a machine, which is in no store. */
  readonly digest?: Digest;
  readonly info: CheckpointInfo;
  readonly config: CheckpointConfig;
  /** Guest-physical addresses of the pages that may differ from `earlier`, ascending. Reads no page. */
  pagesUnlike(earlier: Checkpoint): number[];
  /** Fills `out` with the XOR of the two contents where that costs less than reading both; else returns false. */
  xorWith(earlier: Checkpoint, gpa: number, out: Uint8Array): boolean;
  /** Copies the pages at `gpas` into `into`, one behind the other. Throws CheckpointError. */
  readPages(gpas: ArrayLike<number>, into: Uint8Array): void;
}
