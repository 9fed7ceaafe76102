/**
 * Checkpoints of a running machine: pre-copy rounds while it runs; stop-and-copy of the state and the last dirty pages;
 * then the guest runs on while another thread writes. If writing fails there is no checkpoint, and all pages that were
 * dirty are dirty again.
 *
 * A first checkpoint copies all resident guest memory into shared memory, which stays allocated until close(): the process
 * needs that much again. The copy is made in the calling thread, in pieces of 2 MiB with a turn of the event loop between.
 */

import { setImmediate } from 'node:timers/promises';
import { checkArguments, RUNNER, STORE } from '../../src/arguments.ts';
import { Cleanup } from '../../src/ffi/cleanup.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { checkOptions } from '../../src/options.ts';
import { type CheckpointReport, commitOptions, type SessionOptions } from '../checkpoint-options.ts';
import type { PageSets } from '../dirty-tracker.ts';
import { encodeState } from '../machine-state.ts';
import { CheckpointSession, type Collected } from '../session.ts';
import type { Digest } from '../store/format/digest.ts';
import type { Store } from '../store/store.ts';
import type { SnapshotTarget } from '../target.ts';
import { LIVE_OPTIONS, type LiveOptions } from './live-options.ts';
import { PauseLimit } from './pause-limit.ts';
import { Staging } from './staging.ts';
import { CheckpointWriter } from './writer.ts';

/** The options with the default of `askedAt` filled in. */
type Asked = LiveOptions & { readonly askedAt: number };

/** Dirty pages above which a first round shortens the pause by more than it costs the guest. */
const FIRST_ROUND_MIN_PAGES = 128;
/** The same for a further round. */
const NEXT_ROUND_MIN_PAGES = 8;
const DEFAULT_ROUNDS = 5;
/** Room in the staging memory for pages that become dirty before the pause. */
const SPARE_PAGES = 128;
/** Copied between two turns of the event loop: about a millisecond's work. */
const PIECE_BYTES = 2 * 2 ** 20;

/**
 * Takes checkpoints of a guest that runs: pre-copy rounds, a short pause, and a writer in a thread of its own.
 * End it with close().
 *
 * @example
 * ```ts
 * import { bootImage, LiveSession, load, Machine, openStore, RunningMachine } from 'vmlapse';
 * import { readGuest } from 'vmlapse/guests';
 *
 * using machine = Machine.create({ memory: 16 * 2 ** 20 });
 * bootImage(machine, load(readGuest('ring3-writer'), { memoryMap: machine.memory.memoryMap }));
 * const running = await RunningMachine.start(machine);
 * const ended = running.run();
 * using store = openStore('live', { create: true });
 * const live = await LiveSession.start(running, store);
 * const { digest, stats } = await live.checkpoint({ label: 'as it runs' });
 * console.log(digest, `the guest stood still for ${stats.pauseUs} us`);
 * running.stop();
 * await ended;
 * await live.close();
 * await running.close();
 * ```
 */
export class LiveSession {
  readonly session: CheckpointSession;
  #writer: CheckpointWriter;
  readonly #staging: Staging;
  #last: Promise<unknown> = Promise.resolve();
  readonly #limit = new PauseLimit();
  #busy = false;

  private constructor(session: CheckpointSession, writer: CheckpointWriter) {
    this.session = session;
    this.#writer = writer;
    this.#staging = new Staging(session.target.machine.pages);
  }

  /** Starts the writer's thread on the store's directory. `store` itself is only read from, for rollbacks. */
  static async start(target: SnapshotTarget, store: Store, options: SessionOptions = {}): Promise<LiveSession> {
    checkArguments('LiveSession.start', [target, RUNNER], [store, STORE]);
    using made = new Cleanup();
    const session = made.use(new CheckpointSession(target, store, options));
    const writer = await CheckpointWriter.start(store.directory);
    made.defer(() => void writer.close());
    const live = new LiveSession(session, writer);
    made.keep();
    return live;
  }

  /** The writer thread. If it ends, the checkpoint it was writing fails, and the next checkpoint starts a new thread. */
  get writer(): CheckpointWriter {
    return this.#writer;
  }

  /** A checkpoint is being taken or written. */
  get busy(): boolean {
    return this.#busy;
  }

  /**
   * Takes a checkpoint of the running machine; resolves when it is on disk. A call while another checkpoint is being
   * written waits for that one. Rejects with KvmError, CheckpointError or UsageError.
   */
  async checkpoint(options: LiveOptions = {}, remove: readonly Digest[] = []): Promise<CheckpointReport> {
    checkOptions(options, LIVE_OPTIONS);
    const asked = { ...options, askedAt: options.askedAt ?? performance.now() };
    const next = this.#last.then(() => this.#take(asked, remove));
    this.#last = next.catch(() => {});
    return next;
  }

  async #take(options: Asked, remove: readonly Digest[]): Promise<CheckpointReport> {
    this.#busy = true;
    const { session } = this;
    const clean = session.target.machine.pages.clean();
    try {
      if (this.#writer.gone) this.#writer = await CheckpointWriter.start(session.store.directory);
      const lostParent = session.dropLostBase();
      const isFull = !session.base;
      if (isFull) await this.#copyResident(options);
      const isRolledBack = isFull && session.base; // between two pieces: the copies are of a past state
      if (isRolledBack) this.#staging.clear();
      const rounds = this.#precopy(options, isFull && !isRolledBack ? 1 : 0); // no turn of the event loop from here on
      const { parent, config, stats, ended } = this.#stopAndCopy(options, clean);
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
        ...(ended && { ended }),
        ...(lostParent && { lostParent }),
        ...(notRemoved && { notRemoved }),
      };
    } catch (error) {
      session.failed();
      throw error;
    } finally {
      clean[Symbol.dispose]();
      this.#staging.clear();
      this.#busy = false;
    }
  }

  /**
   * Copies dirty pages while the guest runs, until few are left, their number no longer halves, or `maxRounds` is
   * reached. Returns the number of rounds; `before` were made already.
   */
  #precopy({ maxRounds = DEFAULT_ROUNDS, ...options }: LiveOptions, before: number): number {
    const { session } = this;
    let rounds = before;
    let dirty = Number.POSITIVE_INFINITY;
    for (;;) {
      session.tracker.syncDirtyLog(false);
      const left = pageCount(session.tracker.pending);
      const shrinking = left < dirty / 2;
      dirty = left;
      if (!shrinking || rounds >= maxRounds || left <= (rounds === 0 ? FIRST_ROUND_MIN_PAGES : NEXT_ROUND_MIN_PAGES))
        break;
      session.tracker.syncDirtyLog(true); // only now: each write to a page that is protected again costs the guest a fault
      this.#copy(session.take());
      rounds++;
    }
    this.#staging.reserve(this.#staging.missing(session.tracker.pending) + SPARE_PAGES);
    const few = dirty <= FIRST_ROUND_MIN_PAGES && session.target.running;
    if (few) this.#copy(session.tracker.pending); // the pause copies them again, in less time: they are in the processor's caches
    this.#limit.checkExpected(dirty, options);
    return rounds;
  }

  /**
   * Copies all resident memory in pieces, with a turn of the event loop between them unless the guest is stopped. Ends
   * early if the machine is rolled back meanwhile. Throws GuestMemoryError if the memory is closed.
   */
  async #copyResident(options: LiveOptions): Promise<void> {
    const { session } = this;
    const runs = session.residentRuns().map(({ gpa, bytes }) => ({ gpa, length: bytes.length }));
    const pages = runs.reduce((sum, { length }) => sum + length, 0) / PAGE_SIZE;
    const stands = options.stoppedAt !== undefined;
    if (stands) this.#limit.checkExpected(pages, options);
    this.#staging.reserve(pages + Math.ceil(pages / 8) + SPARE_PAGES, { touch: false });
    const space = session.target.machine.pages;
    let copied = 0;
    for (const { gpa, length } of runs) {
      for (let at = 0; at < length; at += PIECE_BYTES) {
        const bytes = space.view(gpa + at, Math.min(PIECE_BYTES, length - at));
        this.#staging.put({ gpa: gpa + at, bytes });
        copied += bytes.length;
        if (stands || copied < PIECE_BYTES) continue;
        copied = 0;
        await setImmediate();
        if (session.base) return;
      }
    }
  }

  /** Stops the guest, collects its state and copies the last dirty pages. The guest may run on with a debugger's bytes then. */
  #stopAndCopy(options: Asked, clean: Disposable) {
    const { session } = this;
    const { stoppedAt, askedAt, maxPauseMs } = options;
    const { running } = session.target;
    const resume = running && !options.stayPaused;
    const holdsUp = resume || stoppedAt !== undefined;
    const began = performance.now();
    const since = stoppedAt ?? began;
    let copyMs = 0;
    let pauseMs = 0;
    let collected: Collected;
    try {
      collected = session.stopAndCollect((pages) => {
        if (holdsUp && maxPauseMs !== undefined)
          this.#limit.checkExpected(pageCount(pages), { maxPauseMs, stoppedAt: since });
        const from = performance.now();
        this.#copy(pages);
        copyMs = performance.now() - from;
      });
      clean[Symbol.dispose]();
      options.onTaken?.();
    } finally {
      if (resume) session.target.resume();
      pauseMs = performance.now() - since;
    }
    const pausedPages = pageCount(collected.pages);
    if (holdsUp) this.#limit.checkMeasured({ pauseMs, copyMs, pages: pausedPages }, options);
    const stats = {
      pauseUs: holdsUp ? Math.round(pauseMs * 1000) : 0,
      pausedPages,
      ...(running && { lagUs: Math.round((began - askedAt) * 1000) }),
    };
    const state = collected.state();
    return { config: encodeState(state), stats, parent: collected.parent, ended: state.description.ended?.ends[0] };
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

const pageCount = (sets: PageSets) => sets.reduce((sum, { count }) => sum + count, 0);
