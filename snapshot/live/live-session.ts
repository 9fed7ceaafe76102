/**
 * Checkpoints of a running machine. Pre-copy rounds while it runs; then a pause in which only state and the last dirty
 * pages are copied; then it runs on, while another thread writes. Only when that is done does the checkpoint exist; if
 * it fails, every page is dirty still and the guest has lost nothing.
 *
 * A first checkpoint copies all resident guest memory into shared memory, which stays allocated until close(): the process
 * needs that much again. The copy is made in the calling thread, in pieces of 2 MiB with a turn of the event loop between.
 */
import { setImmediate } from 'node:timers/promises';
import { Cleanup } from '../../src/ffi/cleanup.ts';
import { countBits, PAGE_SIZE } from '../../src/memory/bitmap.ts';
import type { PageSets } from '../dirty-tracker.ts';
import { encodeState } from '../machine-state.ts';
import {
  type CheckpointOptions,
  type CheckpointReport,
  CheckpointSession,
  type Collected,
  commitOptions,
  type SessionOptions,
} from '../session.ts';
import type { Digest } from '../store/format/digest.ts';
import type { Store } from '../store/store.ts';
import type { OnProgress } from '../store/store-types.ts';
import type { SnapshotTarget } from '../target.ts';
import { PauseLimit } from './pause-limit.ts';
import { Staging } from './staging.ts';
import { CheckpointWriter } from './writer.ts';

/** How a live checkpoint is taken. */
export interface LiveOptions extends Omit<CheckpointOptions, 'verifyDirty'> {
  /** Pre-copy rounds at most. Default 5. */
  readonly maxRounds?: number;
  /**
   * No checkpoint whose pause is longer than this, in milliseconds: one that is expected to be is given up before it is
   * taken, one that proves to be is dropped. Either rejects with PAUSE_TOO_LONG.
   */
  readonly maxPauseMs?: number;
  /** When it was asked for, by performance.now(). Default: now. */
  readonly askedAt?: number;
  /** Since when the guest stands still for this checkpoint, by performance.now(); it will until {@link onTaken}. */
  readonly stoppedAt?: number;
  /** Called when all is copied: the guest may run on while it is written. */
  readonly onTaken?: () => void;
  /** Hears now and then how much of what was copied has been written, in bytes. */
  readonly onProgress?: OnProgress;
  /** Leaves the machine paused. Default: it runs on, if it ran. */
  readonly stayPaused?: boolean;
}

/** As it came to {@link LiveSession.checkpoint}, with the moment. */
type Asked = LiveOptions & { readonly askedAt: number };

/** With this many dirty pages or fewer a first round would cost the guest more than it saves. */
const FEW_PAGES = 128;
/** With this many or fewer left another round, a short one by then, would not make the pause shorter. */
const HARDLY_ANY = 8;
const DEFAULT_ROUNDS = 5;
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
    this.#staging = new Staging(session.target.machine.memory);
  }

  /** Starts the writer's thread on the store's directory. `store` itself is only read from, for rollbacks. */
  static async start(target: SnapshotTarget, store: Store, options: SessionOptions = {}): Promise<LiveSession> {
    using made = new Cleanup();
    const session = made.use(new CheckpointSession(target, store, options));
    const writer = await CheckpointWriter.start(store.directory);
    made.defer(() => void writer.close());
    const live = new LiveSession(session, writer);
    made.keep();
    return live;
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
    const asked = { ...options, askedAt: options.askedAt ?? performance.now() };
    const next = this.#last.then(() => this.#take(asked, remove));
    this.#last = next.catch(() => {});
    return next;
  }

  async #take(options: Asked, remove: readonly Digest[]): Promise<CheckpointReport> {
    this.#busy = true;
    const { session } = this;
    try {
      if (this.#writer.gone) this.#writer = await CheckpointWriter.start(session.store.directory);
      const lostParent = session.dropLostBase();
      const isFull = !session.base;
      if (isFull) await this.#copyResident(options);
      const isRolledBack = isFull && session.base; // between two pieces: what was copied is no longer so
      if (isRolledBack) this.#staging.clear();
      const rounds = this.#precopy(options, isFull && !isRolledBack ? 1 : 0); // no turn of the event loop from here on
      const { parent, config, stats, ended } = this.#stopAndCopy(options);
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
      this.#staging.clear();
      this.#busy = false;
    }
  }

  /**
   * Copies while the guest runs, until little is left, it stops shrinking, or the rounds are used up. Returns the number
   * of rounds, with the `before` that were made.
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
      if (!shrinking || rounds >= maxRounds || left <= (rounds === 0 ? FEW_PAGES : HARDLY_ANY)) break;
      session.tracker.syncDirtyLog(true); // protected again only to be copied: each write to a protected page costs the guest
      this.#copy(session.take());
      rounds++;
    }
    this.#staging.reserve(this.#staging.missing(session.tracker.pending) + FEW_PAGES);
    this.#limit.expect(dirty, options);
    return rounds;
  }

  /**
   * Copies all resident memory, with a turn of the event loop between pieces unless the guest stands still meanwhile.
   * Stops when the machine is rolled back to a checkpoint. Throws GuestMemoryError when the memory is closed.
   */
  async #copyResident(options: LiveOptions): Promise<void> {
    const { session } = this;
    const runs = session.residentRuns().map(({ gpa, bytes }) => ({ gpa, length: bytes.length }));
    const pages = runs.reduce((sum, { length }) => sum + length, 0) / PAGE_SIZE;
    const stands = options.stoppedAt !== undefined;
    if (stands) this.#limit.expect(pages, options);
    this.#staging.reserve(pages + Math.ceil(pages / 8) + FEW_PAGES, { touch: false });
    const { memory } = session.target.machine;
    let copied = 0;
    for (const { gpa, length } of runs) {
      for (let at = 0; at < length; at += PIECE_BYTES) {
        const bytes = memory.view(gpa + at, Math.min(PIECE_BYTES, length - at));
        this.#staging.put({ gpa: gpa + at, bytes });
        copied += bytes.length;
        if (stands || copied < PIECE_BYTES) continue;
        copied = 0;
        await setImmediate();
        if (session.base) return;
      }
    }
  }

  /** The pause: state and the last dirty pages. */
  #stopAndCopy(options: Asked) {
    const { session } = this;
    const { stoppedAt, askedAt } = options;
    const { running } = session.target;
    const resume = running && !options.stayPaused;
    const holdsUp = resume || stoppedAt !== undefined;
    const began = performance.now();
    const since = stoppedAt ?? began;
    let pausedPages = 0;
    let copyMs = 0;
    let pauseMs = 0;
    let collected: Collected;
    try {
      collected = session.stopAndCollect((pages) => {
        pausedPages = pageCount(pages);
        if (holdsUp) this.#limit.expect(pausedPages, { ...options, stoppedAt: since });
        const from = performance.now();
        this.#copy(pages);
        copyMs = performance.now() - from;
      });
      options.onTaken?.();
    } finally {
      if (resume) session.target.resume();
      pauseMs = performance.now() - since;
    }
    if (holdsUp) this.#limit.proved({ pauseMs, copyMs, pages: pausedPages }, options);
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

const pageCount = (sets: PageSets) => sets.reduce((sum, bits) => sum + countBits(bits, bits.length * 32), 0);
