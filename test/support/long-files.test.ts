/** Every test that has a long form is known to the command that runs them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { BY_HAND, LONG_FILES, PARTLY_LONG } from './long-files.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const LISTED = [...LONG_FILES, ...PARTLY_LONG, ...BY_HAND];

it('the files are there', () => {
  expect(LISTED.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

it('no other file asks whether long forms are wanted', () => {
  const tests = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' });
  const asking = tests.filter(
    (file) =>
      file.endsWith('.test.ts') && /from '[./]+support\/long\.ts'/.test(readFileSync(join(ROOT, 'test', file), 'utf8')),
  );
  expect(asking.length).toBeGreaterThan(5);
  expect(
    asking.map((file) => `dist/test/${file.replace(/ts$/, 'js')}`).filter((path) => !LISTED.includes(path)),
  ).toEqual([]);
});
