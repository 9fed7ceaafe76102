/**
 * Progress of long work, on stderr: with --progress a JSON object per line, else, on a terminal and without --json, one
 * line that is rewritten in place.
 */
import { spanText } from './machine-text.ts';
import { byteText } from './store/format.ts';

/** How far it has come, in bytes, and since when, in milliseconds. */
export interface ProgressState {
  readonly label: string;
  readonly done: number;
  readonly total: number;
  readonly elapsedMs: number;
}

/** The line: "pulling  12 MiB of 48 MiB  25%  6 MiB/s  6 s left", cut to the terminal's width. */
export function progressText({ label, done, total, elapsedMs }: ProgressState, width: number): string {
  const rate = elapsedMs > 0 ? (done / elapsedMs) * 1000 : 0;
  const percent = total > 0 ? `${Math.floor((Math.min(done, total) / total) * 100)}%` : '';
  const left = rate > 0 && total > done ? `${spanText(Math.ceil((total - done) / rate) * 1000)} left` : '';
  const amounts = [
    `${byteText(done)} of ${byteText(total)}`,
    percent,
    rate > 0 ? `${byteText(Math.round(rate))}/s` : '',
    left,
  ];
  return [label, ...amounts]
    .filter((part) => part !== '')
    .join('  ')
    .slice(0, Math.max(0, width - 1));
}

/** Where a progress line goes. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Work shorter than this shows nothing. */
const DELAY_MS = 400;
const LINE_EVERY_MS = 100;
const JSON_EVERY_MS = 500;
const DEFAULT_WIDTH = 80;
const ERASE_LINE = '\r\x1b[K';

/** Work under way. Dispose it when the work is over: the line disappears. */
export interface Progress extends Disposable {
  /** So many bytes of so many are done. Cheap: most calls show nothing. */
  readonly update: (done: number, total: number) => void;
}

/** What the command line says about progress. */
export interface ProgressOptions {
  readonly json?: boolean;
  readonly progress?: boolean;
}

/** The flags and help of --progress. */
export const PROGRESS_OPTION = ['--progress', 'print progress to stderr, one JSON object a line'] as const;

/** Starts to report. `now` is in milliseconds. */
export function startProgress(
  label: string,
  { json = false, progress: asJson = false }: ProgressOptions,
  stream: ProgressStream = process.stderr,
  now: () => number = () => performance.now(),
): Progress {
  if (!asJson && (json || stream.isTTY !== true)) return { update: () => {}, [Symbol.dispose]: () => {} };
  const began = now();
  const every = asJson ? JSON_EVERY_MS : LINE_EVERY_MS;
  let next = began + DELAY_MS;
  let shown = false;
  return {
    update: (done, total) => {
      const time = now();
      if (time < next) return;
      next = time + every;
      shown = true;
      const state = { label, done, total, elapsedMs: Math.round(time - began) };
      if (asJson) stream.write(`${JSON.stringify({ event: 'progress', ...state })}\n`);
      else stream.write(ERASE_LINE + progressText(state, stream.columns ?? DEFAULT_WIDTH));
    },
    [Symbol.dispose]: () => {
      if (shown && !asJson) stream.write(ERASE_LINE);
      shown = false;
    },
  };
}
