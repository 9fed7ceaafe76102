/** The limit of --max-pause: checked against the expected pause before a checkpoint, and the measured one after it. */
import { CheckpointError } from '../../src/errors.ts';

/** What a pause is measured against. Milliseconds. */
export interface Allowed {
  readonly maxPauseMs?: number;
  /** When the guest was stopped, by performance.now(); absent while it runs. */
  readonly stoppedAt?: number;
}

/** A pause that is over. */
interface Pause {
  readonly pauseMs: number;
  /** The part of it in which pages were copied, and how many. */
  readonly copyMs: number;
  readonly pages: number;
}

/** Copying speed assumed before anything was measured. */
const ASSUMED_PAGES_PER_MS = 500;
/** Pages that must be copied for the speed to be measured. */
const MIN_SAMPLE_PAGES = 128;
/** Each refusal multiplies the assumed fixed cost by this, so that one slow pause does not refuse all later ones. */
const FIXED_COST_DECAY = 0.8;

/** Predicts the length of a pause from the pauses before. */
export class PauseLimit {
  #pagesPerMs = ASSUMED_PAGES_PER_MS;
  /** Time of a pause without the copying. */
  #fixedMs = 0;

  /** Throws PAUSE_TOO_LONG if a pause that copies `pages` pages would be longer than allowed. */
  checkExpected(pages: number, { maxPauseMs, stoppedAt }: Allowed): void {
    if (maxPauseMs === undefined) return;
    const stands = stoppedAt === undefined ? 0 : performance.now() - stoppedAt;
    const expectedMs = Math.max(stands, this.#fixedMs) + pages / this.#pagesPerMs;
    if (expectedMs <= maxPauseMs) return;
    this.#fixedMs *= FIXED_COST_DECAY;
    throw tooLong(
      `the pause would take about ${ms(expectedMs)} (${pages} pages to copy, ${ms(expectedMs - pages / this.#pagesPerMs)} beside)`,
      maxPauseMs,
    );
  }

  /** Records a pause. Throws PAUSE_TOO_LONG if it was longer than allowed; the caller drops its checkpoint. */
  checkMeasured({ pauseMs, copyMs, pages }: Pause, { maxPauseMs }: Allowed): void {
    if (pages > MIN_SAMPLE_PAGES && copyMs > 0) this.#pagesPerMs = pages / copyMs;
    this.#fixedMs = pauseMs - copyMs;
    if (maxPauseMs === undefined || pauseMs <= maxPauseMs) return;
    throw tooLong(`the guest stood still for ${ms(pauseMs)}, and the checkpoint was dropped`, maxPauseMs);
  }
}

const ms = (value: number) => `${value < 1 ? value.toPrecision(2) : value.toFixed(1)} ms`;

const tooLong = (why: string, maxPauseMs: number) =>
  new CheckpointError(
    'PAUSE_TOO_LONG',
    `${why}, more than the ${maxPauseMs} ms allowed; raise --max-pause, or calm the guest`,
  );
