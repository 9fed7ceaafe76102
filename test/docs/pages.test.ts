/** Links in the pages lead somewhere. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blockOf, markdownFiles, normalised, ROOT, textOf } from './pages.ts';

/** Targets of the links in a page, and the page's headings as GitHub makes anchors of them. */
const linksOf = (page: string): string[] =>
  [...page.replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);

const anchorsOf = (page: string): string[] =>
  [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

const isElsewhere = (target: string) => /^[a-z]+:/.test(target);

describe('markdown pages', () => {
  const pages = markdownFiles();

  it('are found', () => {
    expect(pages).toContain('README.md');
    expect(pages).toContain(join('docs', 'README.md'));
  });

  it.each(pages)('%s links to what exists', (path) => {
    const broken = linksOf(textOf(path)).filter((target) => {
      if (isElsewhere(target)) return false;
      const [file = '', anchor] = target.split('#');
      const to = file === '' ? path : join(dirname(path), file);
      if (!existsSync(join(ROOT, to))) return true;
      return anchor !== undefined && !anchorsOf(textOf(to)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });
});

describe('pages about the code', () => {
  const PATH = /`((?:src|loaders|snapshot|tools|guests|bench|scripts|test|docs)\/[\w./-]*)`/g;

  it.each(['ARCHITECTURE.md', 'CONTRIBUTING.md', join('docs', 'reading.md')])(
    '%s names files that are there',
    (page) => {
      const made = /^(docs\/api\/html|guests\/build)/;
      const named = [...textOf(page).matchAll(PATH)].map(([, path]) => path!).filter((path) => !made.test(path));
      expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
    },
  );
});

describe('the reader of pages', () => {
  it('takes the block of the language asked for', () => {
    expect(blockOf('a\n```\none\n```\n## b\n```ts\ntwo\n```\n', 'ts')).toBe('two');
    expect(blockOf('a\n```\none\n```\n## b\n```\ntwo\n```\n', '', '## b')).toBe('two');
  });

  it('forgets what differs from run to run, and nothing else', () => {
    expect(normalised('pause 1.90 ms of 7ca77365f00c at 0x10')).toBe('pause N ms of N at N');
    expect(normalised('ended; 323 exits (IO 304, INTR 19), 372 ms')).toBe('ended; N exits (COUNTS), N ms');
    expect(normalised('ended; 3 exits (IO 3), 372 ms')).toBe('ended; N exits (COUNTS), N ms');
    expect(normalised('compute halted')).not.toBe(normalised('compute exited'));
  });
});
