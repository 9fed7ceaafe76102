/**
 * Checkpoints of a running machine. Pre-copy rounds while it runs; then a pause in which only state and the last dirty
 * pages are copied; then it runs on, while another thread writes. Only when that is done does the checkpoint exist; if
 * it fails, every page is dirty still and the guest has lost nothing.
 */
import { CheckpointError } from '../../src/errors.ts';
import { countBits } from '../../src/memory/bitmap.ts';
import type { PageSets } from '../dirty-tracker.ts';
import { encodeState } from '../machine-state.ts';
import {
  type CheckpointOptions,
  type CheckpointReport,
  CheckpointSession,
  commitOptions,
  type Frozen,
  type SessionOptions,
} from '../session.ts';
import type { Digest } from '../store/format/digest.ts';
import type { Store } from '../store/store.ts';
import type { OnProgress } from '../store/store-types.ts';
import type { SnapshotTarget } from '../target.ts';
import { Staging } from './staging.ts';
import { CheckpointWriter } from './writer.ts';

/** How a live checkpoint is taken. */
export interface LiveOptions extends Omit<CheckpointOptions, 'verifyDirty'> {
  /** Pre-copy rounds at most. Default 5. */
  readonly maxRounds?: number;
  /** Refuses with PAUSE_TOO_LONG instead of pausing for longer than this is expected to take, in milliseconds. */
  readonly maxPauseMs?: number;
  /** Hears now and then how much of what was copied has been written, in bytes. */
  readonly onProgress?: OnProgress;
  /** Leaves the machine paused. Default: it runs on, if it ran. */
  readonly stayPaused?: boolean;
}

/** With this many dirty pages or fewer a first round would cost the guest more than it saves. */
const FEW_PAGES = 128;
/** With this many or fewer left another round, a short one by then, would not make the pause shorter. */
const HARDLY_ANY = 8;
const DEFAULT_ROUNDS = 5;
/** Copying speed assumed for --max-pause before anything was measured. */
const ASSUMED_PAGES_PER_MS = 500;

/** See the file's header. */
export class LiveSession {
  readonly session: CheckpointSession;
  #writer: CheckpointWriter;
  readonly #staging: Staging;
  #last: Promise<unknown> = Promise.resolve();
  #pagesPerMs = ASSUMED_PAGES_PER_MS;
  #busy = false;

  private constructor(session: CheckpointSession, writer: CheckpointWriter) {
    this.session = session;
    this.#writer = writer;
    this.#staging = new Staging(session.target.machine.memory);
  }

  /** Starts the writer's thread on the store's directory. `store` itself is only read from, for rollbacks. */
  static async start(target: SnapshotTarget, store: Store, options: SessionOptions = {}): Promise<LiveSession> {
    const writer = await CheckpointWriter.start(store.directory);
    return new LiveSession(new CheckpointSession(target, store, options), writer);
  }

  /** The thread that writes. Should it end, the checkpoint it was writing fails and the next one starts another. */
  get writer(): CheckpointWriter {
    return this.#writer;
  }

  /** A checkpoint is being taken or written. */
  get busy(): boolean {
    return this.#busy;
  }

  /**
   * Takes a checkpoint of the running machine; resolves when it is on disk. One after the other: a call while another
   * is being written waits for it. Rejects with KvmError or CheckpointError.
   */
  checkpoint(options: LiveOptions = {}, remove: readonly Digest[] = []): Promise<CheckpointReport> {
    const next = this.#last.then(() => this.#take(options, remove));
    this.#last = next.catch(() => {});
    return next;
  }

  async #take(options: LiveOptions, remove: readonly Digest[]): Promise<CheckpointReport> {
    this.#busy = true;
    const { session } = this;
    try {
      if (this.#writer.gone) this.#writer = await CheckpointWriter.start(session.store.directory);
      const lostParent = session.dropLostBase();
      const rounds = this.#precopy(options);
      const { parent, config, stats } = this.#freeze(options);
      const { result, notRemoved } = await this.#writer.commit(
        {
          config,
          buffer: this.#staging.buffer,
          runs: this.#staging.runs(),
          stats: { ...stats, rounds, stagedPages: this.#staging.pages },
          ...(remove.length > 0 && { remove }),
          ...commitOptions(options, parent),
        },
        options.onProgress,
      );
      session.committed(result.digest);
      return {
        digest: result.digest,
        stats: result.stats,
        ...(parent && { parent }),
        ...(lostParent && { lostParent }),
        ...(notRemoved && { notRemoved }),
      };
    } catch (error) {
      session.failed();
      throw error;
    } finally {
      this.#staging.clear();
      this.#busy = false;
    }
  }

  /**
   * Copies while the guest runs, until little is left, it stops shrinking, or the rounds are used up. Returns the number
   * of rounds.
   */
  #precopy({ maxRounds = DEFAULT_ROUNDS, maxPauseMs }: LiveOptions): number {
    const { session } = this;
    let rounds = 0;
    if (!session.base) {
      for (const run of session.residentRuns()) this.#staging.put(run);
      rounds++;
    }
    let dirty = Number.POSITIVE_INFINITY;
    for (;;) {
      session.tracker.harvest(false);
      const left = pageCount(session.tracker.pending);
      const shrinking = left < dirty / 2;
      dirty = left;
      if (!shrinking || rounds >= maxRounds || left <= (rounds === 0 ? FEW_PAGES : HARDLY_ANY)) break;
      session.tracker.harvest(true); // protected again only to be copied: each write to a protected page costs the guest
      this.#copy(session.take());
      rounds++;
    }
    this.#staging.reserve(dirty + FEW_PAGES);
    this.#checkPause(dirty, maxPauseMs);
    return rounds;
  }

  #checkPause(dirty: number, maxPauseMs: number | undefined): void {
    const expectedMs = dirty / this.#pagesPerMs;
    if (maxPauseMs === undefined || expectedMs <= maxPauseMs) return;
    const why = `${dirty} pages are still dirty after the rounds of pre-copy: the pause would take about ${expectedMs.toFixed(1)} ms`;
    throw new CheckpointError(
      'PAUSE_TOO_LONG',
      `${why}, more than the ${maxPauseMs} ms allowed; raise --max-pause, or calm the guest`,
    );
  }

  /** The pause: state and the last dirty pages. */
  #freeze(options: LiveOptions) {
    const { session } = this;
    const resume = session.target.running && !options.stayPaused;
    const began = performance.now();
    let pauseMs = 0;
    let frozen: Frozen;
    try {
      frozen = session.freeze((pages) => this.#copy(pages));
    } finally {
      if (resume) session.target.resume();
      pauseMs = performance.now() - began;
    }
    const pausedPages = pageCount(frozen.pages);
    if (pausedPages > FEW_PAGES) this.#pagesPerMs = pausedPages / pauseMs;
    const stats = { pauseUs: Math.round(pauseMs * 1000), pausedPages };
    return { config: encodeState(frozen.state()), stats, parent: frozen.parent };
  }

  #copy(sets: PageSets): void {
    for (const run of this.session.runsOf(sets)) this.#staging.put(run);
  }

  /** Waits for what is being written, then ends the thread and the session. The store stays the caller's. */
  async close(): Promise<void> {
    await this.#last;
    await this.#writer.close();
    this.session[Symbol.dispose]();
  }
}

const pageCount = (sets: PageSets) => sets.reduce((sum, bits) => sum + countBits(bits, bits.length * 32), 0);
