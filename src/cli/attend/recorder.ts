/** Takes the checkpoints a run asks for: at its triggers, at intervals, on demand; tells what was taken. */

import { LiveSession } from '../../../snapshot/live/live-session.ts';
import type { GuestOrigin } from '../../../snapshot/machine-state.ts';
import type { CheckpointReport } from '../../../snapshot/session.ts';
import type { Digest } from '../../../snapshot/store/digest.ts';
import { openStore, type Store } from '../../../snapshot/store/store.ts';
import type { RunningMachine } from '../../runner/running-machine.ts';
import type { Trigger } from './triggers.ts';

/** Options of `run` and `restore` that say when to take checkpoints, and how. */
export interface RecorderOptions {
  readonly store?: string;
  readonly checkpointAt?: readonly Trigger[];
  readonly every?: number;
  readonly keep?: number;
  readonly maxPause?: number;
  readonly level?: number;
}

/** What the recorder tells the person at the terminal. */
export type Tell = (line: string) => void;

/** See the file's header. */
export class Recorder {
  readonly live: LiveSession;
  readonly #store: Store;
  readonly #options: RecorderOptions;
  readonly #tell: Tell;
  readonly #timers: (NodeJS.Timeout | NodeJS.Timeout)[] = [];
  readonly #kept: Digest[] = [];
  #skipped = 0;

  private constructor(live: LiveSession, store: Store, options: RecorderOptions, tell: Tell) {
    this.live = live;
    this.#store = store;
    this.#options = options;
    this.#tell = tell;
  }

  /** Opens the store, creating it, and begins to log dirty pages. */
  static async start(
    running: RunningMachine,
    options: RecorderOptions & { readonly store: string },
    origin: { readonly base?: Digest; readonly guest?: GuestOrigin },
    tell: Tell,
  ): Promise<Recorder> {
    const store = openStore(options.store, { create: true });
    return new Recorder(await LiveSession.start(running, store, origin), store, options, tell);
  }

  /** Arms timers and signals; the exact triggers come as stop points of the run. */
  arm(): void {
    for (const trigger of this.#options.checkpointAt ?? []) {
      if (trigger.kind === 'time')
        this.#timers.push(setTimeout(() => void this.take(`time:${trigger.ms}ms`), trigger.ms));
      if (trigger.kind === 'signal') process.on('SIGUSR2', this.#onSignal);
    }
    const { every } = this.#options;
    if (every !== undefined) this.#timers.push(setInterval(() => this.#tick(), every));
  }

  readonly #onSignal = () => void this.take('signal');

  /** A disk slower than the interval must not make memory grow: a tick that finds one being written is left out. */
  #tick(): void {
    if (this.live.busy) this.#skipped++;
    else void this.take(undefined);
  }

  /** Takes one and tells of it; a failure is told, and the guest goes on. */
  async take(
    label: string | undefined,
    options: { readonly stayPaused?: boolean } = {},
  ): Promise<CheckpointReport | undefined> {
    const { level, maxPause } = this.#options;
    const surplus = this.#surplus();
    try {
      const report = await this.live.checkpoint(
        {
          ...options,
          ...(label !== undefined && { label }),
          ...(level !== undefined && { level }),
          ...(maxPause !== undefined && { maxPauseMs: maxPause }),
        },
        surplus,
      );
      this.#kept.splice(0, surplus.length);
      this.#kept.push(report.digest);
      this.#tell(describe(report, label));
      return report;
    } catch (error) {
      this.#tell(`vmlapse: no checkpoint: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** With --keep: checkpoints of this run that the next one makes superfluous. */
  #surplus(): Digest[] {
    const { keep } = this.#options;
    return keep === undefined ? [] : this.#kept.slice(0, Math.max(0, this.#kept.length - keep + 1));
  }

  /** Puts the running machine back to a checkpoint of the store, by default the last one. */
  rollback(ref = 'latest'): void {
    const { session } = this.live;
    const { running } = session.target;
    const checkpoint = this.#store.open(ref);
    const { pages, ms } = session.rollback(checkpoint);
    if (running) session.target.resume();
    this.#tell(`vmlapse: rolled back to ${short(checkpoint.digest)}: ${pages} pages in ${ms.toFixed(2)} ms`);
  }

  /** Takes the checkpoint `--checkpoint-at end` asks for, finishes what is being written, and ends. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    process.off('SIGUSR2', this.#onSignal);
    if (this.#options.checkpointAt?.some(({ kind }) => kind === 'end')) await this.take('end', { stayPaused: true });
    if (this.#skipped > 0)
      this.#tell(`vmlapse: ${this.#skipped} checkpoints left out: the disk was slower than the interval`);
    await this.live.close();
  }
}

/** The part of a digest that people read. */
export const short = (digest: Digest) => digest.slice('sha256:'.length, 'sha256:'.length + 12);

function describe({ digest, stats }: CheckpointReport, label: string | undefined): string {
  const { pages = 0, bytes = 0, pauseUs = 0 } = stats;
  const name = label === undefined ? '' : ` (${label})`;
  return `vmlapse: checkpoint ${short(digest)}${name}: ${pages} pages, ${bytes} bytes, pause ${(pauseUs / 1000).toFixed(2)} ms`;
}
