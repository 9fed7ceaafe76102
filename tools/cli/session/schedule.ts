import type { CheckpointReport } from '../../../snapshot/checkpoint-options.ts';
import type { LiveOptions } from '../../../snapshot/live/live-options.ts';
import { LiveSession } from '../../../snapshot/live/live-session.ts';
import type { GuestOrigin } from '../../../snapshot/machine-description.ts';
import type { RollbackReport } from '../../../snapshot/rollback.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import type { Checkpoint } from '../../../snapshot/store/memory/checkpoint.ts';
import { zstd } from '../../../snapshot/store/memory/codec.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CheckpointError } from '../../../src/errors.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { checkpointStats } from '../machine-text.ts';
import { endText } from '../run-end.ts';
import { counted, short } from '../store/format.ts';
import { RequestedCheckpoints } from './requested.ts';
import { labelOf, type Trigger } from './triggers.ts';

/** When to take checkpoints, and how. Times in milliseconds. */
export interface ScheduleOptions {
  readonly store?: string;
  readonly checkpointAt?: readonly Trigger[];
  readonly every?: number;
  readonly keep?: number;
  readonly maxPause?: number;
  readonly level?: number;
}

/** Is called after each step. */
export interface ScheduleListener {
  /** All of a checkpoint is copied; the guest stands still yet. */
  copied(): void;
  /** A checkpoint was not taken. */
  missed(): void;
  /** A checkpoint is on disk. */
  taken(report: CheckpointReport, options: LiveOptions): void;
  /** A past state is back; the guest stands still yet. */
  loaded(): void;
  rolledBack(digest: Digest, report: RollbackReport): void;
  /** `done` of `total` bytes of a checkpoint are written. */
  progressed(done: number, total: number): void;
}

/** How a checkpoint for a trigger is taken. */
type HowTaken = Pick<LiveOptions, 'stayPaused' | 'askedAt' | 'stoppedAt' | 'onTaken'>;

/** Takes the checkpoints of a run (at triggers, at intervals, on request) and rolls the machine back. */
export class CheckpointSchedule {
  readonly live: LiveSession;
  readonly store: Store;
  readonly requested: RequestedCheckpoints;
  readonly #options: ScheduleOptions;
  readonly #log: (line: string) => void;
  readonly #listener: ScheduleListener | undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #kept: Digest[] = [];
  /** Reasons why old ones were not removed. */
  readonly #told = new Set<string>();
  /** Checkpoints opened for rollbacks; only the last one is still needed. */
  #opened: Checkpoint[] = [];
  /** Resolves after the checkpoint requested last and all before it. Never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  #began = performance.now();
  #taken = 0;
  #pausedMs = 0;
  /** The run is over. A signal comes too late now. */
  #ended = false;
  #closed: Promise<void> | undefined;

  private constructor(
    live: LiveSession,
    store: Store,
    options: ScheduleOptions,
    log: (line: string) => void,
    listener: ScheduleListener | undefined,
  ) {
    this.live = live;
    this.store = store;
    this.requested = new RequestedCheckpoints(options.checkpointAt ?? []);
    this.#options = options;
    this.#log = log;
    this.#listener = listener;
  }

  /**
   * Opens the store, creating it if needed, and starts the dirty log. `log` prints a line for the user. Throws
   * CheckpointError, also if zstd is missing, or the store cannot be written when checkpoints are asked for.
   */
  static async start(
    running: RunningMachine,
    options: ScheduleOptions & { readonly store: string },
    origin: { readonly base?: Digest; readonly guest?: GuestOrigin },
    log: (line: string) => void,
    listener?: ScheduleListener,
  ): Promise<CheckpointSchedule> {
    zstd();
    const store = openStore(options.store, { create: true });
    try {
      // A store that cannot be written is an error before the guest starts, not at its first checkpoint.
      if (options.every !== undefined || options.checkpointAt?.length) store.lock().release();
      const { base, guest } = origin;
      const live = await LiveSession.start(running, store, { ...(base && { base }), ...(guest && { guest }) });
      const schedule = new CheckpointSchedule(live, store, options, log, listener);
      // From here until close(): a signal that nobody listens to would end the process.
      if (options.checkpointAt?.some(({ kind }) => kind === 'signal')) process.on('SIGUSR2', schedule.#onSignal);
      return schedule;
    } catch (error) {
      store[Symbol.dispose]();
      throw error;
    }
  }

  /** Starts timers. The exact triggers are stop points of the run. */
  arm(): void {
    this.#began = performance.now();
    for (const trigger of this.#options.checkpointAt ?? []) {
      if (trigger.kind === 'time') {
        const due = { askedAt: this.#began + trigger.ms };
        this.#timers.push(setTimeout(() => void this.take(labelOf(trigger), due), trigger.ms));
      }
    }
    const { every } = this.#options;
    if (every !== undefined) this.#timers.push(setInterval(() => this.#tick(), every));
  }

  readonly #onSignal = () => {
    if (this.#ended) this.#log('vmlapse: no checkpoint at signal: the run has ended');
    else void this.take('signal');
  };

  /** Skips a paused machine, which does not change, and a disk slower than the interval, or staged memory would grow. */
  #tick(): void {
    if (!this.live.session.target.running) return;
    if (this.#underWay > 0) {
      this.requested.skipped();
      return;
    }
    this.checkpoint({}).catch((error: Error) => {
      this.requested.everyFailed(error);
      this.#log(`vmlapse: no checkpoint: ${error.message}`);
    });
  }

  /** Takes a checkpoint for a trigger and prints a line about it. On failure prints the reason; the guest runs on. */
  async take(label: string, how: HowTaken = {}): Promise<void> {
    this.requested.came(label);
    try {
      await this.checkpoint({ ...how, label });
    } catch (error) {
      this.requested.failed(label);
      this.#log(`vmlapse: no checkpoint at ${label}: ${(error as Error).message}`);
    }
  }

  /** Takes a checkpoint on request. On failure prints the reason; the exit status does not change. */
  async takeNow(label: string): Promise<void> {
    await this.checkpoint({ label }).catch((error: Error) => this.#log(`vmlapse: no checkpoint: ${error.message}`));
  }

  /** Takes a checkpoint after those requested earlier, and prints a line. Rejects with KvmError or CheckpointError. */
  checkpoint(options: LiveOptions): Promise<CheckpointReport> {
    const asked = { ...options, askedAt: options.askedAt ?? performance.now() };
    this.#underWay++;
    const next = this.#last.then(() => this.#one(asked));
    this.#last = next
      .then(
        () => this.requested.checkpointEnded(),
        (error) => this.requested.checkpointEnded(error),
      )
      .finally(() => this.#underWay--);
    return next;
  }

  async #one(options: LiveOptions): Promise<CheckpointReport> {
    const { level, maxPause } = this.#options;
    const surplus = this.#surplus();
    const all = {
      ...options,
      onTaken: () => {
        this.#listener?.copied();
        options.onTaken?.();
      },
      onProgress: (done: number, total: number) => this.#listener?.progressed(done, total),
      ...(level !== undefined && { level }),
      ...(maxPause !== undefined && { maxPauseMs: maxPause }),
    };
    const report = await this.live.checkpoint(all, surplus).catch((error) => {
      this.#listener?.missed();
      throw error;
    });
    this.#kept.splice(0, surplus.length, ...this.#notRemoved(surplus, report));
    this.#kept.push(report.digest);
    this.#taken++;
    this.#pausedMs += (report.stats.pauseUs ?? 0) / 1000;
    this.#log(describe(report, options.label));
    this.#listener?.taken(report, options);
    return report;
  }

  /** With --keep: checkpoints of this run to remove when the next one is taken. */
  #surplus(): Digest[] {
    const { keep } = this.#options;
    return keep === undefined ? [] : this.#kept.slice(0, Math.max(0, this.#kept.length - keep + 1));
  }

  /** Those that are still there, to be removed with the next ones. The reason is told, once. */
  #notRemoved(surplus: readonly Digest[], { notRemoved }: CheckpointReport): Digest[] {
    if (!notRemoved) return [];
    const { message } = notRemoved;
    if (!this.#told.has(message)) this.#log(`vmlapse: --keep has not removed all of the older checkpoints: ${message}`);
    this.#told.add(message);
    return surplus.filter((digest) => this.store.blobs.sizeOf(digest) !== undefined);
  }

  /**
   * Rolls the machine back to a checkpoint of the store, by default the one it took, was restored from, or was rolled
   * back to last. A running machine runs on. Throws CheckpointError with the guest unchanged, or KvmError with the
   * machine paused.
   */
  rollback(ref?: string): RollbackReport & { readonly digest: Digest } {
    const { session } = this.live;
    const { target } = session;
    const checkpoint = this.#open(ref ?? session.base ?? 'latest');
    const resume = target.running;
    try {
      const report = session.rollback(checkpoint);
      this.#listener?.loaded();
      if (resume) target.resume();
      this.#closeOthers(checkpoint);
      this.#log(
        `vmlapse: rolled back to ${short(checkpoint.digest)}: ${counted(report.pages, 'page')} in ${report.ms.toFixed(2)} ms`,
      );
      this.#listener?.rolledBack(checkpoint.digest, report);
      return { digest: checkpoint.digest, ...report };
    } catch (error) {
      if (resume && error instanceof CheckpointError) target.resume();
      throw error;
    }
  }

  /** How long the checkpoints paused the guest. The page faults of the dirty log are not counted. */
  #slowdown(): string {
    const ms = performance.now() - this.#began;
    const percent = ((100 * this.#pausedMs) / ms).toFixed(1);
    const stood = `the guest stood still for ${this.#pausedMs.toFixed(1)} of ${ms.toFixed(0)} ms`;
    return `vmlapse: ${counted(this.#taken, 'checkpoint')}; ${stood}, a slowdown of at least ${percent} %`;
  }

  #open(ref: string): Checkpoint {
    const digest = this.store.resolve(ref);
    const opened = this.#opened.find((checkpoint) => checkpoint.digest === digest);
    if (opened) return opened;
    const checkpoint = this.store.open(digest);
    this.#opened.push(checkpoint);
    return checkpoint;
  }

  #closeOthers(needed: Checkpoint): void {
    for (const checkpoint of this.#opened) if (checkpoint !== needed) checkpoint[Symbol.dispose]();
    this.#opened = [needed];
  }

  #disarm(): void {
    this.#ended = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Takes the checkpoint of `--checkpoint-at end`, waits for all, and prints what was left out. Call it after the run. */
  async finish(): Promise<void> {
    this.#disarm();
    if (this.#options.checkpointAt?.some(({ kind }) => kind === 'end')) await this.take('end', { stayPaused: true });
    await this.#last;
    for (const line of this.requested.lines()) this.#log(line);
    if (this.#options.every !== undefined && this.#taken > 0) this.#log(this.#slowdown());
  }

  /** Waits for checkpoints under way and releases everything. Safe to call twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#disarm();
    await this.#last;
    await this.live.close();
    for (const checkpoint of this.#opened) checkpoint[Symbol.dispose]();
    this.store[Symbol.dispose]();
    process.off('SIGUSR2', this.#onSignal);
  }
}

function describe({ digest, stats, lostParent, ended }: CheckpointReport, label: string | undefined): string {
  const name = label === undefined ? '' : ` (${label})`;
  const full = lostParent ? `; full, since ${short(lostParent)} is no longer in the store` : '';
  const over = ended ? `; the guest had ended: ${endText(ended)}` : '';
  return `vmlapse: checkpoint ${short(digest)}${name}: ${checkpointStats({ stats })}${over}${full}`;
}
