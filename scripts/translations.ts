/**
 * `node dist/scripts/translations.js PAGE…`: says that the Chinese translations of these English pages are up to date. It
 * writes the English page's sha256 into the translation, and copies the code blocks. Run it by hand, page by page, after
 * you have translated what is different: nothing else runs it, as only a person can say that two texts mean the same.
 */

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A page: its path from the project's root, with slashes, and its text. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

const EXERCISE = /^(exercises\/[^/]+\/text)\.md$/;
const TRANSLATED = /^docs\/((?:lessons\/[^/]+|README)\.md)$/;
const FIRST_LINE = /^<!-- translated from (\S+) sha256:(\w+) -->$/;
const CODE = /^```[^\n]*\n[\s\S]*?^```$/gm;
const SPAN = /(`[^`]+`)/g;
const LINK = /\]\(([^)\s]+)\)/g;

/** The path of an English page's translation; undefined where none is wanted. */
export function translationOf(path: string): string | undefined {
  if (path === 'README.md') return 'README.zh-CN.md';
  const exercise = EXERCISE.exec(path)?.[1];
  if (exercise !== undefined) return `${exercise}.zh-CN.md`;
  const inDocs = TRANSLATED.exec(path)?.[1];
  return inDocs === undefined ? undefined : `docs/zh-CN/${inDocs}`;
}

const codeOf = (text: string): string[] => text.match(CODE) ?? [];
const command = (path: string) => `node dist/scripts/translations.js ${path}`;
const linkFrom = (from: string, to: string) => posix.relative(posix.dirname(from), to);
const firstLine = ({ path, text }: Page) =>
  `<!-- translated from ${path} sha256:${createHash('sha256').update(text).digest('hex')} -->`;

/** The line on top of an English page, or of its translation, that leads to the other one. */
const languageLine = (english: string, chinese: string) => ({
  english: `English | [简体中文](${linkFrom(english, chinese)})`,
  chinese: `[English](${linkFrom(chinese, english)}) | 简体中文`,
});

/** What a page's prose has of a kind that a translation keeps, each once, without the language line and the code blocks. */
const kept = ({ text }: Page, language: string, what: RegExp): string[] => [
  ...new Set([...text.replace(language, '').replaceAll(CODE, '').matchAll(what)].map(([, found]) => found!)),
];
const spans = (page: Page, language: string) => kept(page, language, SPAN).map((span) => span.replaceAll(/\s+/g, ' '));
const targets = (page: Page, language: string) =>
  kept({ ...page, text: page.text.replaceAll(SPAN, '') }, language, LINK).map((target) =>
    /^[a-z]+:|^#/.test(target) ? target : posix.join(posix.dirname(page.path), target),
  );

/** What to do where a translation has more or fewer code blocks; undefined where it has as many. */
function unevenCode(english: Page, chinese: Page): string | undefined {
  const [wanted, there] = [codeOf(english.text).length, codeOf(chinese.text).length];
  if (wanted === there) return undefined;
  return `${chinese.path} has ${there} code blocks, ${english.path} has ${wanted}: add or remove some (they may be empty)`;
}

/** What is wrong with a translation, each with what to do; `chinese` is undefined where there is no such page. */
export function problemsOf(english: Page, chinese: Page | undefined): string[] {
  const path = translationOf(english.path)!;
  if (chinese === undefined)
    return [`${path} is missing: translate ${english.path}, then run ${command(english.path)}`];

  const problems: string[] = [];
  const line = languageLine(english.path, path);
  for (const [page, wanted] of [[english, line.english] as const, [chinese, line.chinese] as const]) {
    if (!page.text.split('\n', 6).includes(wanted))
      problems.push(`${page.path} has no language line on top: put "${wanted}" under its heading`);
  }
  if (chinese.text.split('\n', 1)[0] !== firstLine(english)) {
    problems.push(
      `${english.path} has changed since ${path} was made from it: translate what is different, then run ${command(english.path)}`,
    );
  }

  const translated = codeOf(chinese.text);
  const other = codeOf(english.text).findIndex((code, i) => code !== translated[i]);
  const uneven = unevenCode(english, chinese);
  if (uneven !== undefined) problems.push(`${uneven}, then run ${command(english.path)}`);
  else if (other >= 0)
    problems.push(`code block ${other + 1} of ${path} is not that of ${english.path}: run ${command(english.path)}`);

  const compare = (what: string, wanted: string[], there: string[], cure: string) => {
    for (const one of wanted) if (!there.includes(one)) problems.push(`${path} lacks ${what}${one}: ${cure}`);
    for (const one of there) if (!wanted.includes(one)) problems.push(`${path} has ${what}${one} of its own: ${cure}`);
  };
  const linked = targets(english, line.english).map((target) => translationOf(target) ?? target);
  const sameLinks = 'it links where the English page does, to the translation where there is one';
  compare('a link to ', linked, targets(chinese, line.chinese), sameLinks);
  compare(
    'the code ',
    spans(english, line.english),
    spans(chinese, line.chinese),
    'code in a line is the same in both',
  );
  return problems;
}

/** A translation with the English page's hash and code blocks. Throws when the numbers of blocks differ. */
export function renewed(english: Page, chinese: Page): string {
  const uneven = unevenCode(english, chinese);
  if (uneven !== undefined) throw new Error(uneven);
  const code = codeOf(english.text);
  const [first, ...rest] = chinese.text.split('\n');
  const body = FIRST_LINE.test(first!) ? rest.join('\n') : chinese.text;
  return `${firstLine(english)}\n${body.replaceAll(CODE, () => code.shift()!)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const pages = process.argv.slice(2);
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const read = (path: string): Page => ({ path, text: readFileSync(root + path, 'utf8') });
  const wrong = pages.find((path) => translationOf(path) === undefined);
  if (pages.length === 0 || wrong !== undefined) {
    console.error(
      `${wrong ?? 'No page is named'}: name English pages that are translated, such as docs/lessons/01-open.md`,
    );
    process.exit(2);
  }
  for (const path of pages) {
    const chinese = translationOf(path)!;
    writeFileSync(root + chinese, renewed(read(path), read(chinese)));
    console.log(`${chinese} has the hash and the code blocks of ${path}`);
  }
}
