/** What `vmlapse learn` does, apart from printing: begin, check, reset, and what is done. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError, VmlapseError } from '../../src/errors.ts';
import { type Checked, type CheckOptions, check, isTold } from './check.ts';
import { COURSE, messagesOf, type Numbered, programOf, taskOf } from './course.ts';
import { linkPackage, prepare } from './folder.ts';
import { withHostErrors } from './host-errors.ts';
import type { Language } from './language.ts';
import { isThere, put } from './put.ts';
import { changed, type Progress, readState, STATE_FILE, writeState } from './state.ts';

/** A row of the list. */
export interface Listed {
  readonly number: number;
  readonly slug: string;
  readonly title: string;
  readonly lesson: string;
  readonly state: 'done' | 'begun' | 'open';
  readonly file?: string;
  readonly attempts: number;
  readonly passed?: string;
  /** It passed on a recording only. */
  readonly on?: 'recording';
}

/** All exercises, with what is done in `folder`. */
export function list(folder: string | undefined, language: Language): Listed[] {
  const state = folder === undefined ? {} : readState(folder);
  return COURSE.map((exercise) => {
    const { number, slug, lesson } = exercise;
    const progress = state[slug];
    const { title } = messagesOf(exercise, language);
    return {
      ...{ number, slug, title, lesson, attempts: progress?.attempts ?? 0 },
      state: progress?.passed ? 'done' : progress ? 'begun' : 'open',
      ...(progress && { file: progress.file }),
      ...(progress?.passed && { passed: progress.passed }),
      ...(progress?.on && { on: progress.on }),
    };
  });
}

/** The first exercise that has not passed; undefined: all have. */
export const nextOf = (rows: readonly Listed[]): Listed | undefined => rows.find(({ state }) => state !== 'done');

/** What {@link begin} did. */
export interface Begun {
  readonly file: string;
  readonly text: string;
  /** The program was there, of which the folder's state says nothing: it stays as it is. */
  readonly found: boolean;
  /** Where another text than the task is now that had its name. */
  readonly kept?: string;
}

/** Puts the beginning of an exercise into the folder, with its task. Throws UsageError if it was begun before, HostError. */
export function begin(exercise: Numbered, folder: string, extension: 'js' | 'ts', language: Language): Begun {
  withHostErrors(() => prepare(folder));
  const state = readState(folder);
  const file = `${exercise.name}.${extension}`;
  const [at, text] = [join(folder, file), join(folder, `${exercise.name}.md`)];
  const found = isThere(at);
  if (found && state[exercise.slug]?.file === file)
    throw new UsageError(
      `${at} is there already — go on with it, or begin again: vmlapse learn reset ${exercise.number}`,
    );
  const kept = withHostErrors(() => {
    if (!found) put(at, programOf(exercise, 'start'));
    return put(text, taskOf(exercise, language));
  });
  writeState(folder, changed(state, exercise.slug, { file }));
  return { file: at, text, found, ...(kept !== undefined && { kept }) };
}

/** What is known of an exercise that was begun. Throws UsageError. */
function progressOf(exercise: Numbered, folder: string): Progress {
  const progress = readState(folder)[exercise.slug];
  if (progress) return progress;
  throw new UsageError(
    `exercise ${exercise.number} is not begun in ${folder} — vmlapse learn start ${exercise.number}`,
  );
}

/** Checks an exercise of the folder, and notes the answer. */
export async function checkIn(exercise: Numbered, folder: string, options: CheckOptions): Promise<Checked> {
  const { file } = progressOf(exercise, folder);
  const at = join(folder, file);
  if (!existsSync(at))
    throw new UsageError(`${at} is gone — vmlapse learn reset ${exercise.number} brings the beginning back`);
  linkPackage(folder);
  const checked = await check(exercise, at, folder, options);
  if (checked.on === undefined) return checked;
  // Another check may have ended meanwhile.
  const state = readState(folder);
  const { attempts = 0, passed } = state[exercise.slug] ?? {};
  writeState(folder, changed(state, exercise.slug, { file, attempts: attempts + 1, ...passedBy(checked, passed) }));
  return checked;
}

/** What is noted of a check: the first time that it has passed, and whether KVM has said so by now. */
function passedBy(checked: Checked, before: string | undefined): Partial<Progress> {
  if (!checked.passed) return {};
  if (checked.on === 'kvm') return { passed: before ?? new Date().toISOString(), on: undefined };
  return before === undefined ? { passed: new Date().toISOString(), on: 'recording' } : {};
}

/** Brings the beginning back. Where something else was there, `kept` is its new path. Throws UsageError, HostError. */
export function reset(exercise: Numbered, folder: string): { file: string; kept?: string } {
  const at = join(folder, progressOf(exercise, folder).file);
  const kept = withHostErrors(() => put(at, programOf(exercise, 'start')));
  return { file: at, ...(kept !== undefined && { kept }) };
}

/** The exercise that is meant where none is given: the one begun last that has not passed. Throws UsageError. */
export function currentOf(folder: string): Numbered {
  const state = readState(folder);
  const current = COURSE.findLast(({ slug }) => state[slug] && !state[slug].passed);
  if (current) return current;
  throw new UsageError(`no exercise is under way in ${folder} — give its number, or begin one: vmlapse learn start N`);
}

/** The next hint of an exercise, from the first on; after the last one the last again. */
export function hintOf(exercise: Numbered, folder: string, language: Language) {
  const { hints: seen } = progressOf(exercise, folder);
  const { hints } = messagesOf(exercise, language);
  const n = Math.min(seen + 1, hints.length);
  writeState(folder, changed(readState(folder), exercise.slug, { hints: n }));
  return { n, count: hints.length, hint: hints[n - 1]! };
}

/** The solution. That it was looked at is noted, if the exercise has not passed. */
export function solutionFor(exercise: Numbered, folder: string | undefined): string {
  const state = folder === undefined ? {} : readState(folder);
  const progress = state[exercise.slug];
  if (folder !== undefined && progress && !progress.passed)
    writeState(folder, changed(state, exercise.slug, { shown: true }));
  return programOf(exercise, 'solution');
}

/** One learner in a report. */
export interface Report {
  readonly folder: string;
  readonly passed: number;
  /** Why nothing can be said about this folder. */
  readonly problem?: string;
  readonly exercises: readonly {
    readonly number: number;
    readonly slug: string;
    /** unchecked: there is no KVM, and the recording does not tell. */
    readonly state: 'passed' | 'failed' | 'open' | 'unchecked';
    readonly on?: 'kvm' | 'recording';
    readonly key?: string;
    readonly problem?: string;
    readonly attempts: number;
    readonly hints: number;
    readonly solutionShown: boolean;
    readonly firstPassed?: string;
  }[];
}

/**
 * Runs everything that was begun in a folder again: what a state file claims is not believed. Notes nothing. A folder that is
 * none has a problem; it does not end the report of a class.
 */
export async function report(folder: string, options: CheckOptions): Promise<Report> {
  try {
    return await reportOf(folder, options);
  } catch (error) {
    if (options.abort?.aborted || !(error instanceof VmlapseError)) throw error;
    return { folder, passed: 0, problem: error.message, exercises: [] };
  }
}

async function reportOf(folder: string, options: CheckOptions): Promise<Report> {
  if (!existsSync(join(folder, STATE_FILE)))
    throw new UsageError(`${folder} has no ${STATE_FILE}: no exercise was begun there`);
  const state = readState(folder);
  linkPackage(folder);
  const exercises: Report['exercises'][number][] = [];
  for (const exercise of COURSE) {
    const { number, slug } = exercise;
    const { file, attempts = 0, hints = 0, shown = false, passed } = state[slug] ?? {};
    const at = file === undefined ? undefined : join(folder, file);
    const there = at !== undefined && existsSync(at);
    const checked = there ? await check(exercise, at, folder, options) : undefined;
    exercises.push({
      ...{ number, slug, attempts, hints, solutionShown: shown },
      state: !checked ? 'open' : checked.passed ? 'passed' : isTold(checked) ? 'failed' : 'unchecked',
      ...(checked?.on && { on: checked.on }),
      ...(checked?.problem && { key: checked.key!, problem: checked.problem.problem }),
      ...(passed !== undefined && { firstPassed: passed }),
    });
  }
  return { folder, passed: exercises.filter((row) => row.state === 'passed').length, exercises };
}
