/**
 * A machine that is checkpointed again and again: its dirty tracker, its store, and its base, the checkpoint from which
 * memory differs only in the tracker's pending pages.
 */
import { checkArguments, RUNNER, STORE } from '../src/arguments.ts';
import { CheckpointError } from '../src/errors.ts';
import type { ClockMode } from '../src/kvm/state/vm-state.ts';
import { markGeneration } from '../src/machine/generation.ts';
import { PAGE_SIZE } from '../src/memory/bitmap.ts';
import { checkOptions } from '../src/options.ts';
import {
  CHECKPOINT_OPTIONS,
  type CheckpointOptions,
  type CheckpointReport,
  commitOptions,
  SESSION_OPTIONS,
  type SessionOptions,
} from './checkpoint-options.ts';
import { DirtyTracker, type PageSets } from './dirty-tracker.ts';
import { encodeState } from './machine-state.ts';
import { residentPages, residentRuns } from './resident.ts';
import { Rollback, type RollbackReport } from './rollback.ts';
import { StateTaker, type TakenState } from './state-taker.ts';
import type { Digest } from './store/format/digest.ts';
import type { Checkpoint } from './store/memory/checkpoint.ts';
import type { Store } from './store/store.ts';
import type { PageRun } from './store/store-types.ts';
import type { SnapshotTarget } from './target.ts';
import { checkAgainstMemory, type LogReport } from './verify-dirty.ts';

/** What {@link CheckpointSession.stopAndCollect} took. */
export interface Collected {
  /** Builds the state. Call it after the pause. */
  readonly state: TakenState;
  readonly pages: PageSets;
  readonly parent: Digest | undefined;
}

/**
 * Takes checkpoints of one machine into one store, each with what has changed since the last, and rolls back to them.
 * Disposing of it ends dirty logging; dispose of it before the machine.
 *
 * @example
 * ```ts
 * import { bootImage, CheckpointSession, LocalMachine, load, Machine, openStore, readImage } from 'vmlapse';
 * import { guestPath } from 'vmlapse/guests';
 *
 * using machine = Machine.create({ memory: 16 * 2 ** 20 });
 * using file = readImage(guestPath('hello-long'));
 * bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
 * using local = new LocalMachine(machine);
 * using store = openStore('session', { create: true });
 * using session = new CheckpointSession(local, store);
 * const { digest } = session.checkpoint({ tags: ['before'] });
 * console.log(local.run().reason); // exit-port
 * using before = store.open(digest);
 * session.rollback(before);
 * console.log(local.run().reason); // exit-port
 * ```
 */
export class CheckpointSession implements Disposable {
  readonly target: SnapshotTarget;
  readonly store: Store;
  readonly tracker: DirtyTracker;
  readonly #taker: StateTaker;
  /** Pages taken from the tracker for a checkpoint that is not on disk yet. */
  readonly #taken: PageSets;
  #base: Digest | undefined;
  #rollback: Rollback | undefined;
  #inFlight = false;
  /** The machine was rolled back while a checkpoint of it was being written. */
  #leftBehind = false;

  constructor(target: SnapshotTarget, store: Store, options: SessionOptions = {}) {
    checkArguments('new CheckpointSession', [target, RUNNER], [store, STORE]);
    checkOptions(options, SESSION_OPTIONS);
    this.target = target;
    this.store = store;
    this.#base = options.base;
    this.#taker = new StateTaker(target, options.guest);
    this.tracker = new DirtyTracker(target.machine, options.dirtyLog);
    this.#taken = this.tracker.emptySets();
    if (options.base) markGeneration(target.machine); // the restore may have written it
  }

  /** The checkpoint from which memory differs only in the pending pages. */
  get base(): Digest | undefined {
    return this.#base;
  }

  /** Drops a base that is no longer in the store, so that the next checkpoint is full. Returns the dropped one. */
  dropLostBase(): Digest | undefined {
    const base = this.#base;
    if (!base || this.store.blobs.sizeOf(base) !== undefined) return undefined;
    this.#base = undefined;
    return base;
  }

  /**
   * Takes the pending pages for the checkpoint that is being made; copy them now. The session keeps the list of pages
   * taken since the last checkpoint until {@link committed}, or until {@link failed} makes them dirty again.
   */
  take(): PageSets {
    this.#inFlight = true;
    const pages = this.tracker.take();
    this.#taken.forEach((set, i) => {
      set.addAll(pages[i]!);
    });
    return pages;
  }

  /**
   * Pauses the target; takes its state without RAM, and the set of pages to store. Calls `copy` with that set when
   * memory no longer changes, while the vCPUs' states are still being read.
   */
  stopAndCollect(copy: (pages: PageSets) => void = () => {}): Collected {
    let pages: PageSets = [];
    const state = this.#taker.take(() => {
      this.tracker.syncDirtyLog(true);
      pages = this.take();
      copy(pages);
    });
    return { state, pages, parent: this.#base };
  }

  /** Call it when what was collected is on disk as this checkpoint. */
  committed(digest: Digest): void {
    if (!this.#leftBehind) this.#base = digest;
    this.#landed();
  }

  /** Call it when what was collected could not be stored: makes its pages dirty again. */
  failed(): void {
    this.tracker.restoreBits(this.#taken);
    this.#landed();
  }

  #landed(): void {
    for (const set of this.#taken) set.clear();
    this.#inFlight = false;
    this.#leftBehind = false;
  }

  /**
   * Takes a checkpoint and leaves the target paused. When it returns, the checkpoint is on disk. When it throws
   * (KvmError, CheckpointError or UsageError), there is none, and dirty pages stay dirty.
   */
  checkpoint(options: CheckpointOptions = {}): CheckpointReport {
    checkOptions(options, CHECKPOINT_OPTIONS);
    if (this.#inFlight)
      throw new CheckpointError('BUSY', 'another checkpoint of this machine is being written; wait for it');
    const lostParent = this.dropLostBase();
    const began = performance.now();
    using _clean = this.target.machine.pages.clean();
    try {
      const { state, pages, parent } = this.stopAndCollect();
      const log = options.verifyDirty && parent ? this.#verify(parent, pages) : undefined;
      const runs = parent ? this.runsOf(pages) : this.residentRuns();
      const loggedPages = runs.reduce((sum, { bytes }) => sum + bytes.length / PAGE_SIZE, 0);
      const recording = options.recording?.(runs);
      const pauseUs = Math.round((performance.now() - began) * 1000);
      const { digest, stats } = this.store.commit({
        config: encodeState(state()),
        runs,
        ...commitOptions(options, parent),
        ...(recording && { recording }),
        stats: { ...options.stats, pauseUs, loggedPages },
      });
      this.committed(digest);
      return { digest, stats, ...(parent && { parent }), ...(lostParent && { lostParent }), ...(log && { log }) };
    } catch (error) {
      this.failed();
      throw error;
    }
  }

  /**
   * Puts the machine back to a checkpoint of the store, by copying only the pages that may differ. The target is left
   * paused. Rolling back to the same checkpoint again and again is the fast case. Throws KvmError or CheckpointError.
   */
  rollback(checkpoint: Checkpoint, clock: ClockMode = 'resume'): RollbackReport {
    this.target.completePendingIo();
    if (this.#inFlight) {
      this.tracker.restoreBits(this.#taken);
      this.#leftBehind = true;
    }
    if (this.#base !== checkpoint.digest) this.#markDiffering(checkpoint);
    if (this.#rollback?.digest !== checkpoint.digest)
      this.#rollback = new Rollback(this.target, this.tracker, checkpoint);
    const report = this.#rollback.run(checkpoint, clock);
    this.#base = checkpoint.digest;
    return report;
  }

  /** Makes the pages pending in which the checkpoint differs from the base. */
  #markDiffering(checkpoint: Checkpoint): void {
    const { pages } = this.target.machine;
    for (const gpa of this.#pagesUnlike(checkpoint)) if (pages.has(gpa, PAGE_SIZE)) pages.markWritten(gpa, PAGE_SIZE);
  }

  /**
   * Guest-physical addresses of the pages in which memory may differ from a checkpoint of the store, ascending. Call it
   * while the target stands still.
   */
  pagesUnlike(checkpoint: Checkpoint): number[] {
    this.tracker.syncDirtyLog(false);
    const pages = new Set(this.#base === checkpoint.digest ? [] : this.#pagesUnlike(checkpoint));
    for (const sets of [this.tracker.pending, this.#taken]) {
      this.tracker.forEachRange(sets, (gpa, length) => {
        for (let at = 0; at < length; at += PAGE_SIZE) pages.add(gpa + at);
      });
    }
    return [...pages].sort((a, b) => a - b);
  }

  #pagesUnlike(checkpoint: Checkpoint): readonly number[] {
    this.dropLostBase();
    if (!this.#base) return [...residentPages(this.target.machine.pages), ...checkpoint.pages().map(({ gpa }) => gpa)];
    using base = this.store.open(this.#base);
    return checkpoint.pagesUnlike(base);
  }

  #verify(parent: Digest, pages: PageSets): LogReport {
    using checkpoint = this.store.open(parent);
    return checkAgainstMemory(this.target.machine.pages, pages, checkpoint);
  }

  /** Live views of the pages in `sets`. */
  runsOf(sets: PageSets): PageRun[] {
    const runs: PageRun[] = [];
    const { pages } = this.target.machine;
    this.tracker.forEachRange(sets, (gpa, length) => runs.push({ gpa, bytes: pages.view(gpa, length) }));
    return runs;
  }

  /** Live views of all memory that was ever touched. */
  residentRuns(): PageRun[] {
    return residentRuns(this.target.machine.pages);
  }

  /** Stops dirty logging. The target and the store stay open. */
  [Symbol.dispose](): void {
    this.tracker[Symbol.dispose]();
  }
}
