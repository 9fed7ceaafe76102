/**
 * `npm run lessons`, second part: writes into docs/reading.md how many lines each file of a walk has, and each walk.
 * Counts are rounded to tens, so that a small change does not make the page wrong.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const READING = 'docs/reading.md';

/** A file that is to be read, and the lines that the page says it has. */
interface Stop {
  readonly file: string;
  readonly lines: number;
}

/** A part of the page: its letter, the limit that it states, and its files. */
export interface Walk {
  readonly name: string;
  readonly limit: number;
  readonly stops: readonly Stop[];
}

const ROW = /^\d+\. \[`([\w./-]+)`\]\([^)]*\), (\d+) lines: /gm;
const HEADING = /^## ([A-Z])\. /m;
const LIMIT = /at most ([\d,]+) lines/;

const numberOf = (text: string) => Number(text.replaceAll(',', ''));

/** The walks of a page, in its order. */
export const walksOf = (page: string): Walk[] =>
  page
    .split(/^(?=## )/m)
    .filter((part) => HEADING.test(part))
    .map((part) => ({
      name: HEADING.exec(part)![1]!,
      limit: numberOf(LIMIT.exec(part)?.[1] ?? '0'),
      stops: [...part.matchAll(ROW)].map(([, file, lines]) => ({ file: file!, lines: Number(lines) })),
    }));

/** Lines of a file of the project; undefined where it is gone. */
export function linesOf(file: string): number | undefined {
  const path = join(ROOT, file);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : undefined;
}

const rounded = (lines: number) => Math.round(lines / 10) * 10;

/** The page with the counts of today. */
export function recounted(page: string): string {
  return page.replace(ROW, (row, file: string) => row.replace(/\d+ lines/, `${rounded(linesOf(file) ?? 0)} lines`));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(ROOT, READING);
  writeFileSync(path, recounted(readFileSync(path, 'utf8')));
}
