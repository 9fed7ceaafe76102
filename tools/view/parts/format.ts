/** Numbers for people. */
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** 1536 -> "1.5 KiB". */
export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1).replace(/\.0$/, '')} ${UNITS[unit]}`;
}

/** "1 page", "2 pages". */
export const counted = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`;

/** Microseconds as ms. */
export const pauseText = (us: number): string => `${(us / 1000).toFixed(us < 10_000 ? 2 : 1)} ms`;

/** An RFC 3339 time without the letter, to the second and in UTC; what is no time is shown as it is. */
export function timeText(time: string): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? printable(time) : at.toISOString().replace('T', ' ').slice(0, 19);
}

/** Takes control characters out of text that others wrote, so that it cannot steer the terminal. */
export const printable = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '\u00b7');

export { hex } from '../../../src/abi/numbers.ts';

const DIGEST_START = 'sha256:'.length;
const SHORT_DIGITS = 12;

/** The first digits of a digest. */
export const short = (digest: string): string => digest.slice(DIGEST_START, DIGEST_START + SHORT_DIGITS);
