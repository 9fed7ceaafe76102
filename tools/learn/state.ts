/** What the learner has done: a small file in the learner's folder. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../../src/errors.ts';
import { withHostErrors } from './host-errors.ts';

/** Its name. */
export const STATE_FILE = 'vmlapse-learn.json';

const VERSION = 1;
/** More than this was not written by this program. Bytes. */
const LARGEST = 2 ** 20;

/** What is known of one exercise. */
export interface Progress {
  /** Name of the program, in the learner's folder. */
  readonly file: string;
  readonly attempts: number;
  readonly hints: number;
  /** When it passed first, RFC 3339. */
  readonly passed?: string;
  /** It passed on a recording only. */
  readonly on?: 'recording' | undefined;
  /** Whether the solution was looked at before it passed. */
  readonly shown?: true;
}

/** Progress by slug. */
export type State = Readonly<Record<string, Progress>>;

/** Reads it; an empty state where there is no file. Throws HostError for a file that is none. */
export function readState(folder: string): State {
  const path = join(folder, STATE_FILE);
  try {
    if (!statSync(path).isFile()) throw new SyntaxError('not a file');
    if (statSync(path).size > LARGEST) throw new SyntaxError(`larger than ${LARGEST} bytes`);
    const read = JSON.parse(readFileSync(path, 'utf8')) as { version?: unknown; exercises?: unknown } | null;
    if (read?.version !== VERSION)
      throw new SyntaxError(`version ${String(read?.version)}, and this program knows ${VERSION}`);
    return checked(read.exercises);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    const why = error instanceof Error ? error.message : String(error);
    throw new HostError(
      'NOT_A_STATE',
      `${path} is no state of exercises: ${why} — move it away; your programs stay as they are`,
    );
  }
}

function checked(exercises: unknown): State {
  const rows = Object.entries((exercises ?? {}) as Record<string, Partial<Progress> | null>);
  const isRow = (row: Partial<Progress> | null) =>
    typeof row?.file === 'string' &&
    /^[\w-]+\.(js|ts)$/.test(row.file) &&
    Number.isSafeInteger(row.attempts) &&
    Number.isSafeInteger(row.hints) &&
    (row.passed === undefined || typeof row.passed === 'string') &&
    (row.on === undefined || row.on === 'recording');
  const wrong = rows.find(([, row]) => !isRow(row));
  if (wrong) throw new SyntaxError(`the entry of exercise ${wrong[0]} is damaged`);
  return Object.fromEntries(rows) as State;
}

/** Writes it beside, and renames it. Throws HostError. */
export const writeState = (folder: string, state: State): void =>
  withHostErrors(() => {
    const path = join(folder, STATE_FILE);
    const beside = `${path}.${process.pid}`;
    const fd = openSync(beside, 'w', 0o644);
    try {
      writeSync(fd, `${JSON.stringify({ version: VERSION, exercises: state }, undefined, 2)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(beside, path);
  });

/** The state with one entry changed. */
export const changed = (state: State, slug: string, change: Partial<Progress>): State => ({
  ...state,
  [slug]: { file: '', attempts: 0, hints: 0, ...state[slug], ...change },
});
