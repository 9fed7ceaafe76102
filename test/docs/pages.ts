/** The project's markdown pages, as the tests of the documentation read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const PASSED_OVER = new Set(['node_modules', 'dist', 'coverage', '.git', '.cache']);

/** Paths of all markdown files of the project, relative to its root. */
export function markdownFiles(): string[] {
  const top = readdirSync(ROOT, { withFileTypes: true }).filter(({ name }) => !PASSED_OVER.has(name));
  return top.flatMap((entry) => {
    if (!entry.isDirectory()) return entry.name.endsWith('.md') ? [entry.name] : [];
    const inside = readdirSync(join(ROOT, entry.name), { recursive: true, encoding: 'utf8' });
    return inside.filter((name) => name.endsWith('.md')).map((name) => join(entry.name, name));
  });
}

/** A file of the project, by its path relative to the root. */
export const textOf = (path: string): string => readFileSync(join(ROOT, path.split('/').join(sep)), 'utf8');

/** The first fenced block of that language after `marker` (text of the page); without its last line end. */
export function blockOf(page: string, language: string, marker = ''): string {
  const from = page.indexOf(marker);
  const blocks = from < 0 ? [] : [...page.matchAll(/^```(\w*)(?: [^\n]*)?\n([\s\S]*?)\n?```$/gm)];
  const found = blocks.find(({ index, 1: named }) => index >= from && named === language);
  if (!found) throw new Error(`no block of ${language || 'plain text'} after ${marker || 'the start'}`);
  return found[2]!;
}

/**
 * Output as it is compared: what differs from run to run and from host to host is replaced. Numbers and digests become
 * N, the kind of KVM becomes KIND, and a list of exit counts becomes COUNTS, since some exits are a matter of time.
 */
export function normalised(output: string): string {
  return output
    .replaceAll(/\(IO \d+(?:, INTR \d+)?\)/g, '(COUNTS)')
    .replaceAll(/^(KVM kind\s+).*$/gm, '$1KIND')
    .replaceAll(/\b(?:0x[0-9a-f]+|sha256:[0-9a-f]+|[0-9a-f]{12,64}|\d+(?:\.\d+)?)(?=\b|ms|s\b)/g, 'N')
    .replaceAll(/[ \t]+/g, ' ')
    .trim();
}
