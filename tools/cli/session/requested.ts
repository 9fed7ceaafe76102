import { CheckpointError } from '../../../src/errors.ts';
import { counted } from '../store/format.ts';
import { labelOf, type Trigger } from './triggers.ts';

/** A checkpoint of --every that --max-pause leaves out is not a failure. */
const isTooLong = (error: unknown) => error instanceof CheckpointError && error.code === 'PAUSE_TOO_LONG';

const whyOf = (error: unknown) =>
  isTooLong(error) ? 'the pause would have been longer than --max-pause' : (error as Error).message;

/** The checkpoints that the options of a run request: which were missed, and why. */
export class RequestedCheckpoints {
  readonly #waiting: Set<string>;
  readonly #missed: string[] = [];
  readonly #leftOut = new Map<string, number>();
  /** Ticks of --every during the checkpoint under way. Its end gives the reason. */
  #skipped = 0;

  constructor(triggers: readonly Trigger[]) {
    this.#waiting = new Set(triggers.filter(({ kind }) => kind !== 'signal').map(labelOf));
  }

  /** Whether a checkpoint is to be taken at this stop: at each access to a port, and the first time at an exit or text. */
  wants(stopPoint: string): boolean {
    return [...this.#waiting].some((label) => includes(stopPoint, label)) || /(^|, )port:/.test(stopPoint);
  }

  /** Records that a trigger was reached. */
  came(label: string): void {
    for (const waiting of this.#waiting) if (includes(label, waiting)) this.#waiting.delete(waiting);
  }

  /** Records that a checkpoint for a trigger was not taken. */
  failed(label: string): void {
    this.#missed.push(label);
  }

  /** Records a tick of --every during a checkpoint. */
  skipped(): void {
    this.#skipped++;
  }

  /** Ends the checkpoint that ticks were skipped for. */
  checkpointEnded(error?: unknown): void {
    this.#leaveOut(this.#skipped, error ? whyOf(error) : 'the one before was still being written');
    this.#skipped = 0;
  }

  /** Records that a checkpoint of --every was not taken. */
  everyFailed(error: unknown): void {
    this.#leaveOut(1, whyOf(error));
    if (!isTooLong(error)) this.#missed.push('every');
  }

  #leaveOut(count: number, why: string): void {
    if (count > 0) this.#leftOut.set(why, (this.#leftOut.get(why) ?? 0) + count);
  }

  /** Labels of the checkpoints that were not taken; "every" for --every. */
  get missed(): readonly string[] {
    return [...new Set([...this.#missed, ...this.#waiting])];
  }

  /** Lines for the end of the run. */
  lines(): string[] {
    const never = [...this.#waiting].map((label) => `vmlapse: no checkpoint at ${label}: the run ended before it came`);
    const left = [...this.#leftOut].map(([why, n]) => `vmlapse: ${counted(n, 'checkpoint')} left out: ${why}`);
    return [...never, ...left];
  }
}

const includes = (labels: string, label: string) => `, ${labels}, `.includes(`, ${label}, `);
