/**
 * `npm run lessons`: puts the programs of the lessons into their pages. A program is cut at its comments `// 1. …`,
 * `// 2. …` (in C: block comments); a page quotes piece N in a block that begins with ```ts FILE#N. Piece 0 is what stands before step 1.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../docs/lessons/', import.meta.url));
const QUOTE = /^```(\w+) ([\w.-]+)#(\d+)\n[\s\S]*?^```$/gm;

/** The pieces of a program, by step. Throws when the steps are not numbered 1, 2, 3 … */
export function piecesOf(program: string): string[] {
  const pieces = program.trimEnd().split(/^(?=[ \t]*(?:\/\/|\/\*) \d+\. )/m);
  pieces.slice(1).forEach((piece, i) => {
    const number = Number(/\d+/.exec(piece)![0]);
    if (number !== i + 1) throw new Error(`step ${i + 1} begins with: ${piece.split('\n')[0]}`);
  });
  return pieces.map((piece) => piece.trimEnd());
}

/** Code without the indentation of its first line. */
function outdented(code: string): string {
  const indent = /^ */.exec(code)![0];
  return code.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
}

/** A page with its quotations made anew; `read` gives a program's text by file name. */
export function quoted(page: string, read: (file: string) => string): string {
  return page.replace(QUOTE, (_, language: string, file: string, step: string) => {
    const piece = piecesOf(read(file))[Number(step)];
    if (piece === undefined) throw new Error(`${file} has no step ${step}`);
    return `\`\`\`${language} ${file}#${step}\n${outdented(piece)}\n\`\`\``;
  });
}

/** The steps that a page quotes, in its order, by file. */
export function stepsQuoted(page: string): { readonly file: string; readonly step: number }[] {
  return [...page.matchAll(QUOTE)].map(([, , file, step]) => ({ file: file!, step: Number(step) }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.md'))) {
    const page = readFileSync(join(FOLDER, name), 'utf8');
    const next = quoted(page, (file) => readFileSync(join(FOLDER, file), 'utf8'));
    if (next !== page) writeFileSync(join(FOLDER, name), next);
  }
}
