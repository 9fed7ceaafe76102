/** The Chinese pages are translations of the English pages as they are. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Page, problemsOf, renewed, translationOf } from '../../scripts/translations.ts';
import { markdownFiles, textOf } from './pages.ts';

const PAGES = markdownFiles().map((path) => path.replaceAll('\\', '/'));
const ENGLISH = PAGES.filter((path) => translationOf(path) !== undefined);

describe('translations', () => {
  it.each(ENGLISH)('%s is translated as it is', (path) => {
    const chinese = translationOf(path)!;
    const page = PAGES.includes(chinese) ? { path: chinese, text: textOf(chinese) } : undefined;
    expect(problemsOf({ path, text: textOf(path) }, page)).toEqual([]);
  });

  it('have an English page each', () => {
    const wanted = new Set(ENGLISH.map((path) => translationOf(path)));
    const left = PAGES.filter((path) => path.includes('zh-CN') && !wanted.has(path));
    expect(left, 'the English page is gone: move or remove its translation').toEqual([]);
  });

  it('are of the README, the lessons and the index', () => {
    expect(ENGLISH).toContain('README.md');
    expect(ENGLISH).toContain('docs/README.md');
    expect(ENGLISH).toContain('docs/lessons/01-open.md');
    expect(translationOf('docs/gdb.md')).toBeUndefined();
    expect(translationOf(join('docs', 'zh-CN', 'README.md'))).toBeUndefined();
  });
});

describe('the check of a translation', () => {
  const english: Page = {
    path: 'docs/lessons/99-made-up.md',
    text: `# Made up

English | [简体中文](../zh-CN/lessons/99-made-up.md)

Ask \`/dev/kvm\` [first](01-open.md), see [gdb](../gdb.md).

\`\`\`ts
ask();
\`\`\`

It prints

\`\`\`
12
\`\`\`
`,
  };
  const draft: Page = {
    path: 'docs/zh-CN/lessons/99-made-up.md',
    text: `# 虚构

[English](../../lessons/99-made-up.md) | 简体中文

用 \`/dev/kvm\`，见[第 1 课](01-open.md)和 [gdb](../../gdb.md)。

\`\`\`
\`\`\`

输出

\`\`\`
\`\`\`
`,
  };
  const chinese = { ...draft, text: renewed(english, draft) };
  const changed = (page: Page, from: string, to: string): Page => ({ ...page, text: page.text.replace(from, to) });

  it('takes one that is renewed, and renewing it again changes nothing', () => {
    expect(problemsOf(english, chinese)).toEqual([]);
    expect(renewed(english, chinese)).toBe(chinese.text);
    expect(chinese.text).toMatch(
      /^<!-- translated from docs\/lessons\/99-made-up\.md sha256:[0-9a-f]{64} -->\n# 虚构\n/,
    );
    expect(chinese.text).toContain('```ts\nask();\n```');
  });

  const RENEW = 'run node dist/scripts/translations.js docs/lessons/99-made-up.md';
  it.each<[string, Page, Page | undefined, string]>([
    ['that there is none', english, undefined, `is missing: translate docs/lessons/99-made-up.md, then ${RENEW}`],
    ['that the English page has changed', changed(english, 'Ask', 'Do ask'), chinese, 'has changed since'],
    ['a translation without a hash', english, changed(chinese, '<!--', '<!-- not'), 'translate what is different'],
    [
      'a code block that differs',
      english,
      changed(chinese, '12', '13'),
      `code block 2 of ${draft.path} is not that of`,
    ],
    ['the language named on a block', english, changed(chinese, '```ts', '```js'), 'code block 1'],
    ['a code block too few', english, changed(chinese, '```\n12\n```', ''), 'has 1 code blocks'],
    ['no language line in English', changed(english, 'English |', ''), chinese, `${english.path} has no language line`],
    ['no language line in Chinese', english, changed(chinese, '| 简体', ''), `${draft.path} has no language line`],
    ['code in a line that differs', english, changed(chinese, 'dev/kvm', 'dev/KVM'), 'lacks the code `/dev/kvm`'],
    ['a link that is left out', english, changed(chinese, '[gdb](../../gdb.md)', 'gdb'), 'lacks a link to docs/gdb.md'],
    [
      'a link to the English page of one that is translated',
      english,
      changed(chinese, '(01-open.md)', '(../../lessons/01-open.md)'),
      'has a link to docs/lessons/01-open.md of its own',
    ],
  ])('finds %s', (_, page, translation, problem) => {
    expect(problemsOf(page, translation).join('\n')).toContain(problem);
  });

  it('does not write into a page whose code blocks are others', () => {
    expect(() => renewed(english, changed(draft, '```\n```\n', ''))).toThrow('has 1 code blocks');
  });
});
