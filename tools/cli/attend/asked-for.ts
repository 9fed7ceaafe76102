/** What a run was asked to take checkpoints at, what came of each, and what was left out: told at the end. */
import { CheckpointError } from '../../../src/errors.ts';
import { counted } from '../store/format.ts';
import { labelOf, type Trigger } from './triggers.ts';

/** The user said "rather none than a longer pause": with --every, that is no failure. */
const isTooLong = (error: unknown) => error instanceof CheckpointError && error.code === 'PAUSE_TOO_LONG';

const whyOf = (error: unknown) =>
  isTooLong(error) ? 'the pause would have been longer than --max-pause' : (error as Error).message;

/** See the file's header. */
export class AskedFor {
  readonly #waiting: Set<string>;
  readonly #missed: string[] = [];
  readonly #leftOut = new Map<string, number>();
  /** Ticks of --every that found a checkpoint under way; what they are put down to is what becomes of that one. */
  #skipped = 0;

  constructor(triggers: readonly Trigger[]) {
    this.#waiting = new Set(triggers.filter(({ kind }) => kind !== 'signal').map(labelOf));
  }

  /** Whether a stop at these points, as a run names them, asks for a checkpoint: a text on the serial line does once. */
  wants(stopPoint: string): boolean {
    return [...this.#waiting].some((label) => includes(stopPoint, label)) || /(^|, )port:/.test(stopPoint);
  }

  /** A trigger's moment has come. */
  came(label: string): void {
    for (const waiting of this.#waiting) if (includes(label, waiting)) this.#waiting.delete(waiting);
  }

  /** A checkpoint for a trigger was not taken. */
  failed(label: string): void {
    this.#missed.push(label);
  }

  /** A tick of --every came while a checkpoint was under way. */
  skipped(): void {
    this.#skipped++;
  }

  /** A checkpoint that ticks were skipped for is on disk, or has failed. */
  settled(error?: unknown): void {
    this.#leaveOut(this.#skipped, error ? whyOf(error) : 'the one before was still being written');
    this.#skipped = 0;
  }

  /** A checkpoint that --every wanted was not taken. */
  everyFailed(error: unknown): void {
    this.#leaveOut(1, whyOf(error));
    if (!isTooLong(error)) this.#missed.push('every');
  }

  #leaveOut(count: number, why: string): void {
    if (count > 0) this.#leftOut.set(why, (this.#leftOut.get(why) ?? 0) + count);
  }

  /** What was asked for and not taken, by label; "every" for --every. */
  get missed(): readonly string[] {
    return [...new Set([...this.#missed, ...this.#waiting])];
  }

  /** Lines for the end of a run. */
  lines(): string[] {
    const never = [...this.#waiting].map((label) => `vmlapse: no checkpoint at ${label}: the run ended before it came`);
    const left = [...this.#leftOut].map(([why, n]) => `vmlapse: ${counted(n, 'checkpoint')} left out: ${why}`);
    return [...never, ...left];
  }
}

const includes = (labels: string, label: string) => `, ${labels}, `.includes(`, ${label}, `);
