/** Lines of a test run that are counted: one for each file, and the last. Written and read here. */

/** How many tests did what. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const LINE = /^(\d+) passed, (\d+) failed, (\d+) skipped$/;

export const countLine = ({ passed, failed, skipped }: Counts) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

/** The counts in a line, if it is that line. */
export function parseCounts(line: string): Counts | undefined {
  const found = LINE.exec(line);
  return found ? { passed: Number(found[1]), failed: Number(found[2]), skipped: Number(found[3]) } : undefined;
}

/** What came of a file. */
export interface FileCounts extends Counts {
  readonly file: string;
  readonly seconds: number;
}

const FILE_LINE = /^(?:not )?ok (\S+) \((.*), [\d.]+ s\)$/;

export const fileLine = ({ file, seconds, ...counts }: FileCounts) =>
  `${counts.failed ? 'not ok' : 'ok'} ${file} (${countLine(counts)}, ${seconds.toFixed(1)} s)`;

/** The file and the counts in a line, if it is one of a file. */
export function parseFileLine(line: string): Omit<FileCounts, 'seconds'> | undefined {
  const [, file, text] = FILE_LINE.exec(line) ?? [];
  const counts = parseCounts(text ?? '');
  return file !== undefined && counts ? { file, ...counts } : undefined;
}

/** The sum of several. */
export function sumOf(all: readonly Counts[]): Counts {
  const sum = (key: keyof Counts) => all.reduce((total, counts) => total + counts[key], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}

/** Said every few seconds by a run whose host has not stood still. */
export const ALIVE = 'alive';
