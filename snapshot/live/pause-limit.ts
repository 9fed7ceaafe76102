/** Whether a checkpoint stops the guest for longer than it may: what is expected before, and what proved to be after. */
import { CheckpointError } from '../../src/errors.ts';

/** What a pause is measured against. Milliseconds. */
export interface Allowed {
  readonly maxPauseMs?: number;
  /** Since when the guest stands still, by performance.now(); absent while it runs. */
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
/** Fewer pages than this say nothing of the speed. */
const TELLING_PAGES = 128;
/** What a refusal leaves of the fixed costs it was made for: a host that was busy once is tried again. */
const FORGETTING = 0.8;

/** Learns from each pause what the next one takes. */
export class PauseLimit {
  #pagesPerMs = ASSUMED_PAGES_PER_MS;
  /** What a pause takes beside the copying. */
  #fixedMs = 0;

  /** Throws PAUSE_TOO_LONG when a pause with so many pages to copy would be longer than allowed. */
  expect(pages: number, { maxPauseMs, stoppedAt }: Allowed): void {
    if (maxPauseMs === undefined) return;
    const stands = stoppedAt === undefined ? 0 : performance.now() - stoppedAt;
    const expectedMs = Math.max(stands, this.#fixedMs) + pages / this.#pagesPerMs;
    if (expectedMs <= maxPauseMs) return;
    this.#fixedMs *= FORGETTING;
    throw tooLong(
      `the pause would take about ${ms(expectedMs)} (${pages} pages to copy, ${ms(expectedMs - pages / this.#pagesPerMs)} beside)`,
      maxPauseMs,
    );
  }

  /** Learns from a pause. Throws PAUSE_TOO_LONG when it was longer than allowed: its checkpoint is not to be kept. */
  proved({ pauseMs, copyMs, pages }: Pause, { maxPauseMs }: Allowed): void {
    if (pages > TELLING_PAGES && copyMs > 0) this.#pagesPerMs = pages / copyMs;
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
