/** Arguments and results of the store. */
import { BOOLEAN, MILLISECONDS, NUMBER, OBJECT, type OptionKinds } from '../../src/options.ts';
import type { StoreFs } from './disk/fs-layer.ts';
import { type Digest, storeError } from './format/digest.ts';
import type { CheckpointConfig } from './format/documents.ts';
import { MAX_PAGE_NUMBER, PAGE_SIZE } from './format/limits.ts';

/** How a store is opened. */
export interface StoreOptions {
  /** Makes the directory and an empty store where there is none. */
  readonly create?: boolean;
  /** Refuses everything that writes. */
  readonly readOnly?: boolean;
  /** Makes a marker and an index.json that are lost or damaged anew, from the blobs. See {@link Store.repaired}. */
  readonly repair?: boolean;
  /** How long a writer waits for another, in milliseconds. Default 10,000. */
  readonly lockTimeoutMs?: number;
  /** Decompressed frames kept, in bytes. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** The file system calls, for tests. */
  readonly fs?: StoreFs;
}

/** The kinds of {@link StoreOptions}. */
export const STORE_OPTIONS: OptionKinds<StoreOptions> = {
  create: BOOLEAN,
  readOnly: BOOLEAN,
  repair: BOOLEAN,
  lockTimeoutMs: MILLISECONDS,
  cacheBytes: NUMBER,
  fs: OBJECT,
};

/** Takes the progress of long work, in bytes. Is called often, so it must be cheap. */
export type OnProgress = (done: number, total: number) => void;

/** What a checkpoint is taken of. */
export interface CommitInput {
  readonly config: CheckpointConfig;
  /**
   * First checkpoint: all memory that is not surely zero. With a parent: all pages that may have changed since. The
   * bytes are read during the call.
   */
  readonly runs: Iterable<PageRun>;
  /** The checkpoint that pages not given are taken from. */
  readonly parent?: Digest;
  readonly tags?: readonly string[];
  readonly label?: string;
  /** Numbers to keep with it (`pauseUs`, `rounds` …); the store adds its own. */
  readonly stats?: Readonly<Record<string, number>>;
  /** zstd level. Default 1; more gains under 5 % on memory. */
  readonly level?: number;
  /**
   * Stores a changed page as what changed in it where that is smaller. Default true. It reads the page it was, so for
   * many pages far apart a commit without is several times faster and larger.
   */
  readonly deltas?: boolean;
  /** What the host gave to the guest since the parent: see debug/recording. The store keeps it as it is. */
  readonly recording?: Uint8Array;
  /** RFC 3339; default: now. */
  readonly time?: string;
  /** Called as pages are compressed and written: bytes of memory so far, and in all. */
  readonly onProgress?: OnProgress;
}

/** A commit that is done and on disk. `stats` is what the manifest keeps. */
export interface CommitResult {
  readonly digest: Digest;
  readonly stats: Readonly<Record<string, number>>;
}

/** Some consecutive guest pages. The bytes are read during the commit and must not change in it. */
export interface PageRun {
  /** Guest-physical address of the first byte, a multiple of 4096. */
  readonly gpa: number;
  /** A multiple of 4096 bytes. */
  readonly bytes: Uint8Array;
}

/** Sorts runs by address and checks them. Throws CheckpointError INVALID for one that is misaligned or overlaps. */
export function orderRuns(runs: Iterable<PageRun>): PageRun[] {
  const ordered = [...runs].filter(({ bytes }) => bytes.length > 0).sort((a, b) => a.gpa - b.gpa);
  let end = 0;
  for (const { gpa, bytes } of ordered) {
    const where = `page run at 0x${gpa.toString(16)}, ${bytes.length} bytes`;
    if (gpa % PAGE_SIZE !== 0 || bytes.length % PAGE_SIZE !== 0 || gpa < 0 || !Number.isSafeInteger(gpa))
      throw storeError('INVALID', `${where}: not in whole pages of ${PAGE_SIZE} bytes — round it to pages`);
    if (gpa < end) throw storeError('INVALID', `${where}: overlaps the run before it — merge the runs`);
    end = gpa + bytes.length;
    if (end > MAX_PAGE_NUMBER * PAGE_SIZE)
      throw storeError(
        'INVALID',
        `${where}: ends above ${MAX_PAGE_NUMBER * PAGE_SIZE}, the highest address a layer holds`,
      );
  }
  return ordered;
}
