/** Fits text to the terminal it goes to: the characters it can show, and lines broken between words. */
import { stripVTControlCharacters } from 'node:util';

/** What stands for the characters beyond ASCII that our texts use. */
const PLAIN: Readonly<Record<string, string>> = {
  ...{ '│': '|', '…': '...', '—': '-', '–': '-', '→': '->', '·': '.' },
  ...{ '░': '.', '▒': ':', '▓': '*', '█': '#' },
};
const BEYOND = new RegExp(`[${Object.keys(PLAIN).join('')}]`, 'g');

/** By the locale, in the order in which the C library looks. Where none is set, most terminals are UTF-8 all the same. */
export function showsUnicode(env: NodeJS.ProcessEnv = process.env): boolean {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '');
  return locale === undefined || /utf-?8/i.test(locale);
}

/** The text with ASCII for the characters beyond it that our texts use. */
export const inAscii = (text: string): string => text.replace(BEYOND, (character) => PLAIN[character]!);

/** The text in characters that the locale has. */
export const inLocale = (text: string, env: NodeJS.ProcessEnv = process.env): string =>
  showsUnicode(env) ? text : inAscii(text);

/** Characters of a text, without its colours. */
export const widthOf = (text: string) => stripVTControlCharacters(text).length;

/** Lines longer than `width` go on below, under their second column where that leaves room. */
export const wrapped = (text: string, width: number): string =>
  text
    .split('\n')
    .map((line) => (widthOf(line) <= width ? line : wrappedLine(line, width)))
    .join('\n');

function wrappedLine(line: string, width: number): string {
  const [halves, right] = line.split(/ {2}(?=[│|] {2})/);
  const plain = stripVTControlCharacters(line);
  const indent = plain.length - plain.trimStart().length + 2;
  if (right !== undefined) return `${halves}\n${' '.repeat(indent)}${right}`;
  const second = /^ *\S.*? {2,}(?=\S)/.exec(plain)?.[0].length ?? indent;
  const hanging = ' '.repeat(second < width / 2 ? second : indent);
  const lines: string[] = [];
  let current = '';
  for (const word of line.split(/(?<=\S)(?= )/)) {
    const fits = widthOf(current) + widthOf(word) <= width || current.trim() === '';
    if (fits) current += word;
    else {
      lines.push(current);
      current = hanging + word.trimStart();
    }
  }
  return [...lines, current].join('\n');
}

/** For stdout: as it is, where that is no terminal, but for characters that the locale lacks. */
export function forStdout(text: string): string {
  const { isTTY, columns } = process.stdout;
  const shown = inLocale(text);
  return isTTY && columns > 0 ? wrapped(shown, columns) : shown;
}
