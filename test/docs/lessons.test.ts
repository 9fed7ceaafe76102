/** The programs of the lessons print what their pages show. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { piecesOf, quoted, stepsQuoted } from '../../scripts/quote.ts';
import { describeKvm } from '../support/kvm.ts';
import { scaled } from '../support/time.ts';
import { blockOf, normalised, ROOT, textOf } from './pages.ts';

const FOLDER = 'docs/lessons';
const PAGES = readdirSync(join(ROOT, FOLDER)).filter((name) => name.endsWith('.md'));
const LESSONS = readdirSync(join(ROOT, FOLDER))
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => name.slice(0, -3));

/** Lessons that print numbers of the host; the others print the same everywhere. */
const HOST_NUMBERS = new Set(['01-open', '11-live']);

const MAX_LINES = 60;
const LIMIT_MS = scaled(20_000);

describeKvm('lessons', () => {
  it.each(LESSONS)('%s prints what its page shows', (lesson) => {
    const program = join(ROOT, 'dist', FOLDER, `${lesson}.js`);
    const { stdout, stderr, status } = spawnSync(process.execPath, [program], { encoding: 'utf8', timeout: LIMIT_MS });
    expect(status, stderr).toBe(0);
    const compared = HOST_NUMBERS.has(lesson) ? normalised : (text: string) => text.trim();
    expect(compared(stdout)).toBe(compared(blockOf(textOf(`${FOLDER}/${lesson}.md`), '')));
  });
});

describe('lessons', () => {
  it('are all there, and in the index', () => {
    const index = textOf('docs/README.md');
    const listed = [...index.matchAll(/^\d+\. .*\(lessons\/([\w-]+\.md)\)/gm)].map(([, page]) => page);
    expect(listed).toEqual(PAGES.toSorted());
  });

  it.each(LESSONS)('%s is short, stands on the public API, and is linked from its page', (lesson) => {
    const program = textOf(`${FOLDER}/${lesson}.ts`);
    expect(program.trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_LINES);
    const imports = [...program.matchAll(/from '([^']+)'/g)].map(([, from]) => from!);
    expect(imports.filter((from) => !/^(vmlapse(\/\w+)?|node:[\w/]+)$/.test(from))).toEqual([]);
    expect(textOf(`${FOLDER}/${lesson}.md`)).toContain(`(${lesson}.ts)`);
  });
});

describe('a page', () => {
  it.each(PAGES)('%s quotes its programs as they are, step by step', (page) => {
    const text = textOf(`${FOLDER}/${page}`);
    const read = (file: string) => textOf(`${FOLDER}/${file}`);
    expect(quoted(text, read), 'run: npm run lessons').toBe(text);
    for (const file of new Set(stepsQuoted(text).map((quote) => quote.file))) {
      const steps = stepsQuoted(text).flatMap((quote) => (quote.file === file ? [quote.step] : []));
      const all = piecesOf(read(file)).map((_, step) => step);
      expect(steps, file).toEqual(steps[0] === 0 ? all : all.slice(1));
    }
  });

  it.each(PAGES)('%s has an answer to each question', (page) => {
    const [, questions = ''] = textOf(`${FOLDER}/${page}`).split('## To try');
    expect(questions.match(/^- /gm)?.length).toBe(questions.match(/<summary>Answer<\/summary>/g)?.length);
  });
});
