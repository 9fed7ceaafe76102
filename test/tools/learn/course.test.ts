/** The texts of the course belong together: checks and messages, languages, beginnings and solutions. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { COURSE, exerciseOf, lessonOf, messagesOf, programOf, taskOf } from '../../../tools/learn/course.ts';
import { filled, LANGUAGES, type Language, languageOf, MESSAGES } from '../../../tools/learn/language.ts';
import { solutionOf, startOf } from '../../../tools/learn/program.ts';
import { ROOT } from '../../docs/pages.ts';
import { filledWith, Learner } from './learner.ts';
import { UNFINISHED, WRONG } from './wrong.ts';

const NAMES = Object.keys(LANGUAGES) as Language[];
const blanks = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
/** The keys of a value, down to its texts, with the blanks in each. */
const shape = (value: unknown): unknown =>
  typeof value === 'string'
    ? blanks(value)
    : Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, shape(inner)]));

it('has at least fifteen exercises, each with a lesson', () => {
  expect(COURSE.length).toBeGreaterThanOrEqual(15);
  for (const exercise of COURSE)
    for (const language of NAMES) expect(existsSync(lessonOf(exercise, language))).toBe(true);
});

it('says the same in each language, with the same blanks', () => {
  for (const language of NAMES) expect(shape(MESSAGES[language])).toEqual(shape(MESSAGES.en));
  for (const exercise of COURSE)
    for (const language of NAMES)
      expect(shape(messagesOf(exercise, language)), exercise.name).toEqual(shape(messagesOf(exercise, 'en')));
});

it.each(COURSE)('$name: a message for each check, and a wrong answer for most', (exercise) => {
  const { problems, hints } = messagesOf(exercise, 'en');
  expect(Object.keys(problems).sort()).toEqual(Object.keys(exercise.checks).sort());
  expect(hints.length).toBeGreaterThanOrEqual(1);
  const known = new Set(Object.keys(exercise.checks));
  for (const key of [UNFINISHED[exercise.slug]!, ...Object.keys(WRONG[exercise.slug]!), ...(exercise.early ?? [])])
    expect(known).toContain(key);
  expect(Object.keys(WRONG[exercise.slug]!).length).toBeGreaterThanOrEqual(3);
  for (const language of NAMES) {
    expect(taskOf(exercise, language)).toMatch(/^# (Exercise|练习) \d/);
    expect(taskOf(exercise, language)).not.toMatch(/text\.md|text\.zh-CN\.md|<!--/);
  }
});

it('cuts a program at its gap', () => {
  const text = 'a;\n// ▼ Your part:\n//   more.\n//- b = 0;\nb = 1;\n// ▲ End.\nc;\n';
  expect(startOf(text)).toBe('a;\n// ▼ Your part:\n//   more.\nb = 0;\n// ▲ End.\nc;\n');
  expect(solutionOf(text)).toBe('a;\n// ▼ Your part:\n//   more.\nb = 1;\n// ▲ End.\nc;\n');
  expect(filledWith(text, 'x;')).toBe('a;\n// ▼ Your part:\n//   more.\nx;\n// ▲ End.\nc;\n');
  for (const wrong of ['a;', '// ▲ End.\n// ▼ Your part', `${text}${text}`])
    expect(() => startOf(wrong)).toThrow('one gap');
});

it('speaks the language of the locale', () => {
  expect(languageOf({})).toBe('en');
  expect(languageOf({ LANG: 'zh_CN.UTF-8' })).toBe('zh');
  expect(languageOf({ LANG: 'zh_CN.UTF-8', LC_ALL: 'C' })).toBe('en');
  expect(languageOf({ LANG: 'de_DE', LC_MESSAGES: 'zh_TW.UTF-8', LC_ALL: '' })).toBe('zh');
  expect(filled('{a} of {b}', { a: 1 })).toBe('1 of {b}');
});

it('finds an exercise by its number and its name, and says what there is', () => {
  expect([exerciseOf('3').slug, exerciseOf('first-vcpu').number, exerciseOf('03-first-vcpu').number]).toEqual([
    'first-vcpu',
    3,
    3,
  ]);
  for (const word of ['0', '99', '', '1e0', '../..']) expect(() => exerciseOf(word)).toThrow('give a number from 1 to');
});

it("has types for an editor: each beginning and solution is checked in the learner's folder, as JavaScript and TypeScript", () => {
  using learner = new Learner();
  for (const exercise of COURSE)
    for (const part of ['start', 'solution'] as const)
      for (const extension of ['js', 'ts'])
        writeFileSync(join(learner.folder, `${exercise.name}-${part}.${extension}`), programOf(exercise, part));
  const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', learner.folder], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});
