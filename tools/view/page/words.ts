/** Moments in words. */

import { counted, short } from '../parts/format.ts';
import type { Moment } from '../timeline-types.ts';

/** Its tag or label; where it has neither, its digest. */
export const nameOf = ({ tags, label, digest }: Moment): string => tags[0] ?? label ?? short(digest);

/** "#3 booted": as it is called on the page. */
export const numbered = (moment: Moment, index: number): string => `#${index + 1} ${nameOf(moment)}`;

/** For a screen reader. */
export const spoken = (moment: Moment, index: number, count: number): string =>
  `${index + 1} of ${count}, ${nameOf(moment)}, ${moment.problem ? 'damaged' : `${counted(moment.pages, 'page')} changed`}`;

/** The time between two moments: "+20 ms", "+3.5 s". */
export function between(before: Moment, after: Moment): string {
  const ms = Date.parse(after.time) - Date.parse(before.time);
  if (Number.isNaN(ms)) return '';
  const sign = ms < 0 ? '−' : '+';
  const size = Math.abs(ms);
  if (size < 10_000) return `${sign}${size} ms`;
  return size < 600_000 ? `${sign}${(size / 1000).toFixed(1)} s` : `${sign}${(size / 60_000).toFixed(1)} min`;
}

/** A word of a shell. */
export const quoted = (word: string): string =>
  /^[\w./:@%+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
