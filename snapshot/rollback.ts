/**
 * Rollback in place: only pages that may differ from the checkpoint are copied back.
 *
 * A loop that rolls back often dirties much the same pages every time. To protect them again would cost a fault for
 * each page and round. So in "manual" mode they stay in the dirty log, and all of its pages are copied, until so few of
 * them change that clearing the log costs less. Pages that were read from the store are kept, and so is the list of
 * copies.
 */
import type { ClockMode } from '../src/kvm/state/vm-state.ts';
import { PAGE_SIZE } from '../src/memory/bitmap.ts';
import type { PageSpace } from '../src/memory/page-space.ts';
import { checkSameMachine } from './compatible.ts';
import type { DirtyTracker } from './dirty-tracker.ts';
import { type StateLoader, stateLoader } from './state-loader.ts';
import type { Digest } from './store/format/digest.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';
import type { SnapshotTarget } from './target.ts';
import { validateState } from './validate-state.ts';

/** What a rollback did. */
export interface RollbackReport {
  /** Pages copied back. */
  readonly pages: number;
  /** Milliseconds the machine was stopped for it. */
  readonly ms: number;
}

/** One contiguous copy: `from` into guest memory at `to`. */
interface Copy {
  readonly to: Uint8Array;
  readonly from: Uint8Array;
}

/** Rounds between two checks whether the pages in the log still change. */
const STALE_CHECK_ROUNDS = 64;
/** The log is cleared when fewer than one page in this many has really changed. */
const STALE_RATIO = 2;

interface Plan {
  /** The tracker's number when the plan was made. The plan is valid while the tracker returns the same. */
  readonly version: number;
  readonly copies: readonly Copy[];
  readonly pages: number;
}

/** Rolls one machine back to one checkpoint, any number of times. */
export class Rollback {
  readonly digest: Digest;
  readonly #target: SnapshotTarget;
  readonly #tracker: DirtyTracker;
  readonly #pages: PageCache;
  readonly #load: StateLoader;
  #plan: Plan | undefined;
  #round = 0;

  constructor(target: SnapshotTarget, tracker: DirtyTracker, checkpoint: Checkpoint) {
    this.digest = checkpoint.digest;
    this.#target = target;
    this.#tracker = tracker;
    this.#pages = new PageCache(checkpoint, target.machine.pages.size);
    const state = validateState(checkpoint.config);
    checkSameMachine(state, target.machine);
    this.#load = stateLoader(target, state);
  }

  /**
   * Pauses the machine and puts it back. `checkpoint`: the same one, open. When it throws (KvmError, CheckpointError), dirty
   * pages stay dirty.
   */
  run(checkpoint: Checkpoint, clock: ClockMode): RollbackReport {
    this.#pages.checkpoint = checkpoint;
    const began = performance.now();
    this.#target.completePendingIo();
    const plan = this.#planFor(this.#tracker.syncDirtyLog(false), this.#target.machine.pages);
    const stale = this.#isStale(plan);
    for (const { to, from } of plan.copies) to.set(from);
    this.#load(clock);
    if (stale) this.#tracker.syncDirtyLog(true);
    this.#tracker.discard();
    return { pages: plan.pages, ms: performance.now() - began };
  }

  #planFor(version: number, space: PageSpace): Plan {
    if (this.#plan?.version === version) return this.#plan;
    const copies: Copy[] = [];
    let pages = 0;
    this.#tracker.forEachRange(this.#tracker.pending, (gpa, length) => {
      copies.push({ to: space.view(gpa, length), from: this.#pages.run(gpa, length) });
      pages += length / PAGE_SIZE;
    });
    this.#plan = { version, copies, pages };
    return this.#plan;
  }

  /** Checks every {@link STALE_CHECK_ROUNDS} rounds whether most pages in the log no longer change. */
  #isStale({ copies, pages }: Plan): boolean {
    if (this.#tracker.mode === 'legacy' || ++this.#round % STALE_CHECK_ROUNDS !== 0) return false;
    let changed = 0;
    for (const { to, from } of copies) {
      for (let at = 0; at < to.length; at += PAGE_SIZE) {
        if (Buffer.compare(to.subarray(at, at + PAGE_SIZE), from.subarray(at, at + PAGE_SIZE)) !== 0) changed++;
      }
    }
    return changed * STALE_RATIO < pages;
  }
}

/** A checkpoint's pages, kept once read. */
class PageCache {
  /** From which pages are read that are not kept. */
  checkpoint: Checkpoint;
  readonly #runs = new Map<string, Uint8Array>();
  readonly #pages = new Map<number, Uint8Array>();
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(checkpoint: Checkpoint, memoryBytes: number) {
    this.checkpoint = checkpoint;
    this.#mostBytes = Math.min(MAX_KEPT_BYTES, KEPT_PER_BYTE * memoryBytes);
  }

  /** The content of `length` bytes from `gpa`, both whole pages. Not to be written to. */
  run(gpa: number, length: number): Uint8Array {
    const key = `${gpa}+${length}`;
    const kept = this.#runs.get(key);
    if (kept) return kept;
    if (this.#bytes + length > this.#mostBytes) this.#forget();
    const bytes = new Uint8Array(length);
    this.#fill(gpa, bytes);
    this.#bytes += length;
    this.#runs.set(key, bytes);
    for (let at = 0; at < length; at += PAGE_SIZE) this.#pages.set(gpa + at, bytes.subarray(at, at + PAGE_SIZE));
    return bytes;
  }

  #forget(): void {
    this.#runs.clear();
    this.#pages.clear();
    this.#bytes = 0;
  }

  #fill(gpa: number, bytes: Uint8Array): void {
    const missing: number[] = [];
    for (let at = 0; at < bytes.length; at += PAGE_SIZE) {
      const page = this.#pages.get(gpa + at);
      if (page) bytes.set(page, at);
      else missing.push(at);
    }
    for (let i = 0; i < missing.length; i += CHUNK_PAGES) {
      const some = missing.slice(i, i + CHUNK_PAGES);
      const read = new Uint8Array(some.length * PAGE_SIZE);
      this.checkpoint.readPages(
        some.map((at) => gpa + at),
        read,
      );
      some.forEach((at, n) => {
        bytes.set(read.subarray(n * PAGE_SIZE, (n + 1) * PAGE_SIZE), at);
      });
    }
  }
}

const CHUNK_PAGES = 256;
/** Most bytes that are kept; a rollback of more than that reads the store again. */
const MAX_KEPT_BYTES = 2 ** 29;
/** Where other pages are dirty each round, kept runs overlap; together they take at most this many times the memory. */
const KEPT_PER_BYTE = 2;
