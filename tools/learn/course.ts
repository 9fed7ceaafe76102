/** The course: exercises by number, and the files of each in this package. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Exercise } from '../../exercises/exercise.ts';
import { EXERCISES } from '../../exercises/index.ts';
import { UsageError } from '../../src/errors.ts';
import { LANGUAGES, type Language } from './language.ts';
import type { Problem } from './messages/en.ts';
import { solutionOf, startOf } from './program.ts';

/** Root of this package, from the compiled module and from the bundle alike. */
export const PACKAGE = new URL('../../../', import.meta.url);

/** What an exercise says, in one language. */
export interface ExerciseMessages {
  readonly title: string;
  readonly hints: readonly string[];
  /** By the name of the check. */
  readonly problems: Readonly<Record<string, Problem>>;
}

/** An exercise, with its number and the name of its folder: 03-first-vcpu. */
export interface Numbered extends Exercise {
  readonly number: number;
  readonly name: string;
}

/** All exercises, in order; numbers begin at 1. */
export const COURSE: readonly Numbered[] = EXERCISES.map((exercise, i) => ({
  ...exercise,
  number: i + 1,
  name: `${String(i + 1).padStart(2, '0')}-${exercise.slug}`,
}));

/** The exercise of that number, slug or name. Throws UsageError. */
export function exerciseOf(word: string): Numbered {
  const found = COURSE.find(({ number, slug, name }) => String(number) === word || slug === word || name === word);
  if (found) return found;
  throw new UsageError(
    `there is no exercise ${word}: give a number from 1 to ${COURSE.length}; vmlapse learn lists them`,
  );
}

const read = (path: string): string => readFileSync(new URL(path, PACKAGE), 'utf8');

/** The program of an exercise: its beginning, or its solution. JavaScript and TypeScript at once: it needs no annotation. */
export const programOf = ({ name }: Numbered, part: 'start' | 'solution'): string =>
  (part === 'start' ? startOf : solutionOf)(read(`exercises/${name}/program.ts`));

/** What an exercise says. */
export const messagesOf = ({ name }: Numbered, language: Language): ExerciseMessages =>
  JSON.parse(read(`exercises/${name}/messages.${LANGUAGES[language]}.json`)) as ExerciseMessages;

/** The task, for people. Links lead into this package. */
export function taskOf({ name }: Numbered, language: Language): string {
  const text = read(`exercises/${name}/${language === 'en' ? 'text' : `text.${LANGUAGES[language]}`}.md`);
  const docs = fileURLToPath(new URL('docs/', PACKAGE));
  return text
    .replace(/^<!--.*-->\n+|^.*\b(English|简体中文).* \| .*\n+/gm, '')
    .replaceAll('](../../docs/', `](${docs}`);
}

/** The file of the lesson that an exercise goes with, in this language if it is there. */
export function lessonOf({ lesson }: Numbered, language: Language): string {
  const page = (folder: string) => fileURLToPath(new URL(`${folder}lessons/${lesson}.md`, PACKAGE));
  const translated = page(`docs/${LANGUAGES[language]}/`);
  return existsSync(translated) ? translated : page('docs/');
}

/** Folder of this package, for links to it. */
export const packageFolder = (): string => fileURLToPath(PACKAGE).replace(/\/$/, '');
