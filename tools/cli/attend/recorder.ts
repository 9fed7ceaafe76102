/** Takes the checkpoints a run asks for: at its triggers, at intervals, on demand; tells what was taken. */

import { type LiveOptions, LiveSession } from '../../../snapshot/live/live-session.ts';
import type { GuestOrigin } from '../../../snapshot/machine-state.ts';
import type { RollbackReport } from '../../../snapshot/rollback.ts';
import type { CheckpointReport } from '../../../snapshot/session.ts';
import type { Digest } from '../../../snapshot/store/format/digest.ts';
import type { Checkpoint } from '../../../snapshot/store/memory/checkpoint.ts';
import { zstd } from '../../../snapshot/store/memory/codec.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import { CheckpointError } from '../../../src/errors.ts';
import type { RunningMachine } from '../../../src/runner/threads/running-machine.ts';
import { checkpointStats } from '../machine-text.ts';
import { counted } from '../store/format.ts';
import { endText } from '../summary.ts';
import { AskedFor } from './asked-for.ts';
import { labelOf, type Trigger } from './triggers.ts';

/** Options of `run` and `restore` that say when to take checkpoints, and how. */
export interface RecorderOptions {
  readonly store?: string;
  readonly checkpointAt?: readonly Trigger[];
  readonly every?: number;
  readonly keep?: number;
  readonly maxPause?: number;
  readonly level?: number;
}

/** Who hears of what was done. */
export interface RecorderListener {
  /** A line for the person at the terminal. */
  tell(line: string): void;
  taken(report: CheckpointReport, options: LiveOptions): void;
  rolledBack(digest: Digest, report: RollbackReport): void;
  /** So many bytes of so many of a checkpoint are written. */
  progressed(done: number, total: number): void;
}

/** How a checkpoint for a trigger is taken. */
type HowTaken = Pick<LiveOptions, 'stayPaused' | 'askedAt' | 'stoppedAt' | 'onTaken'>;

/** See the file's header. */
export class Recorder {
  readonly live: LiveSession;
  readonly store: Store;
  readonly asked: AskedFor;
  readonly #options: RecorderOptions;
  readonly #listener: RecorderListener;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #kept: Digest[] = [];
  /** Checkpoints opened for rollbacks; only the last one is still needed. */
  #opened: Checkpoint[] = [];
  /** The checkpoint that was asked for last, after all before it. It never rejects. */
  #last: Promise<unknown> = Promise.resolve();
  #underWay = 0;
  #began = performance.now();
  #taken = 0;
  #pausedMs = 0;
  #closed: Promise<void> | undefined;

  private constructor(live: LiveSession, store: Store, options: RecorderOptions, listener: RecorderListener) {
    this.live = live;
    this.store = store;
    this.asked = new AskedFor(options.checkpointAt ?? []);
    this.#options = options;
    this.#listener = listener;
  }

  /** Opens the store, creating it, and begins to log dirty pages. Throws CheckpointError, also where there is no zstd. */
  static async start(
    running: RunningMachine,
    options: RecorderOptions & { readonly store: string },
    origin: { readonly base?: Digest; readonly guest?: GuestOrigin },
    listener: RecorderListener,
  ): Promise<Recorder> {
    zstd();
    const store = openStore(options.store, { create: true });
    try {
      return new Recorder(await LiveSession.start(running, store, origin), store, options, listener);
    } catch (error) {
      store[Symbol.dispose]();
      throw error;
    }
  }

  /** Arms timers and signals; the exact triggers come as stop points of the run. */
  arm(): void {
    this.#began = performance.now();
    for (const trigger of this.#options.checkpointAt ?? []) {
      if (trigger.kind === 'time') {
        const due = { askedAt: this.#began + trigger.ms };
        this.#timers.push(setTimeout(() => void this.take(labelOf(trigger), due), trigger.ms));
      }
      if (trigger.kind === 'signal') process.on('SIGUSR2', this.#onSignal);
    }
    const { every } = this.#options;
    if (every !== undefined) this.#timers.push(setInterval(() => this.#tick(), every));
  }

  readonly #onSignal = () => void this.take('signal');

  /** A machine that is paused does not change; and a disk slower than the interval must not make memory grow. */
  #tick(): void {
    if (!this.live.session.target.running) return;
    if (this.#underWay > 0) {
      this.asked.skipped();
      return;
    }
    this.checkpoint({}).catch((error: Error) => {
      this.asked.everyFailed(error);
      this.#listener.tell(`vmlapse: no checkpoint: ${error.message}`);
    });
  }

  /** Takes one for a trigger and tells of it; a failure is told, and the guest goes on. */
  async take(label: string, how: HowTaken = {}): Promise<void> {
    this.asked.came(label);
    try {
      await this.checkpoint({ ...how, label });
    } catch (error) {
      this.asked.failed(label);
      this.#listener.tell(`vmlapse: no checkpoint at ${label}: ${(error as Error).message}`);
    }
  }

  /** Takes one on request; a failure is told, and is nobody else's matter. */
  async takeNow(label: string): Promise<void> {
    await this.checkpoint({ label }).catch((error: Error) =>
      this.#listener.tell(`vmlapse: no checkpoint: ${error.message}`),
    );
  }

  /** Takes one, after those that were asked for before, and tells of it. Rejects with KvmError or CheckpointError. */
  checkpoint(options: LiveOptions): Promise<CheckpointReport> {
    const asked = { ...options, askedAt: options.askedAt ?? performance.now() };
    this.#underWay++;
    const next = this.#last.then(() => this.#one(asked));
    this.#last = next
      .then(
        () => this.asked.settled(),
        (error) => this.asked.settled(error),
      )
      .finally(() => this.#underWay--);
    return next;
  }

  async #one(options: LiveOptions): Promise<CheckpointReport> {
    const { level, maxPause } = this.#options;
    const surplus = this.#surplus();
    const all = {
      ...options,
      onProgress: (done: number, total: number) => this.#listener.progressed(done, total),
      ...(level !== undefined && { level }),
      ...(maxPause !== undefined && { maxPauseMs: maxPause }),
    };
    const report = await this.live.checkpoint(all, surplus);
    this.#kept.splice(0, surplus.length);
    this.#kept.push(report.digest);
    this.#taken++;
    this.#pausedMs += (report.stats.pauseUs ?? 0) / 1000;
    this.#listener.tell(describe(report, options.label));
    this.#listener.taken(report, options);
    return report;
  }

  /** With --keep: checkpoints of this run that the next one makes superfluous. */
  #surplus(): Digest[] {
    const { keep } = this.#options;
    return keep === undefined ? [] : this.#kept.slice(0, Math.max(0, this.#kept.length - keep + 1));
  }

  /**
   * Puts the machine back to a checkpoint of the store, by default the one that it took, was restored from, or was
   * rolled back to last; it runs on, if it ran. Throws CheckpointError, and the guest has lost nothing; or KvmError, and
   * it stays paused.
   */
  rollback(ref?: string): RollbackReport & { readonly digest: Digest } {
    const { session } = this.live;
    const { target } = session;
    const checkpoint = this.#open(ref ?? session.base ?? 'latest');
    const resume = target.running;
    try {
      const report = session.rollback(checkpoint);
      if (resume) target.resume();
      this.#closeOthers(checkpoint);
      this.#listener.tell(
        `vmlapse: rolled back to ${short(checkpoint.digest)}: ${counted(report.pages, 'page')} in ${report.ms.toFixed(2)} ms`,
      );
      this.#listener.rolledBack(checkpoint.digest, report);
      return { digest: checkpoint.digest, ...report };
    } catch (error) {
      if (resume && error instanceof CheckpointError) target.resume();
      throw error;
    }
  }

  /** What the checkpoints have cost the guest, apart from the writes that were logged anew. */
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
    for (const timer of this.#timers) clearTimeout(timer);
    process.off('SIGUSR2', this.#onSignal);
  }

  /** The run is over: takes the checkpoint `--checkpoint-at end` asks for, waits for all, and tells how it went. */
  async finish(): Promise<void> {
    this.#disarm();
    if (this.#options.checkpointAt?.some(({ kind }) => kind === 'end')) await this.take('end', { stayPaused: true });
    await this.#last;
    for (const line of this.asked.lines()) this.#listener.tell(line);
    if (this.#options.every !== undefined && this.#taken > 0) this.#listener.tell(this.#slowdown());
  }

  /** Finishes what is being written, and ends. Safe to call twice. */
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
  }
}

/** The part of a digest that people read. */
export const short = (digest: Digest) => digest.slice('sha256:'.length, 'sha256:'.length + 12);

function describe({ digest, stats, lostParent, ended }: CheckpointReport, label: string | undefined): string {
  const name = label === undefined ? '' : ` (${label})`;
  const full = lostParent ? `; full, since ${short(lostParent)} is no longer in the store` : '';
  const over = ended ? `; the guest had ended: ${endText(ended)}` : '';
  return `vmlapse: checkpoint ${short(digest)}${name}: ${checkpointStats({ stats })}${over}${full}`;
}
