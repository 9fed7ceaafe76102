/** What comes with vmlapse of the lessons: their pages, and traces of their programs for those who have no /dev/kvm. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../src/errors.ts';
import { packageFile } from './package-file.ts';

/** Where they are: text, a line of JSON for each event. */
export const LESSON_TRACES = packageFile('docs', 'lessons', 'traces');

const PAGES = packageFile('docs', 'lessons');

const NAME = /^(\d\d)-[\w-]+\.jsonl$/;

/** The path of a lesson's trace. Throws UsageError when there is none. */
export function lessonTrace(lesson: number): string {
  const files = existsSync(LESSON_TRACES) ? readdirSync(LESSON_TRACES).filter((file) => NAME.test(file)) : [];
  const numbers = files.map((file) => Number(NAME.exec(file)![1]));
  const file = files[numbers.indexOf(lesson)];
  if (file) return join(LESSON_TRACES, file);
  throw new UsageError(
    `no trace of lesson ${lesson} comes with vmlapse: there are those of ${numbers.toSorted((a, b) => a - b).join(', ') || 'none'}`,
  );
}

/** The path of a lesson's page; undefined where there is none. */
export function lessonPage(lesson: number): string | undefined {
  const begin = `${String(lesson).padStart(2, '0')}-`;
  const files = existsSync(PAGES) ? readdirSync(PAGES) : [];
  const file = files.find((name) => name.startsWith(begin) && name.endsWith('.md'));
  return file && join(PAGES, file);
}
