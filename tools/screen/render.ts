/** A screen as text, as text with colours, and as JSON. */
import { asciiOf, characterOf } from './cp437.ts';
import type { Screen } from './screen.ts';

/** How characters are shown: all of code page 437, or what ASCII has of it. */
export interface TextOptions {
  readonly ascii?: boolean;
}

/** One row, with the spaces at its end. */
export function rowText({ cells, columns }: Screen, row: number, { ascii = false }: TextOptions = {}): string {
  const character = ascii ? asciiOf : characterOf;
  let text = '';
  for (let column = 0; column < columns; column++) text += character(cells[(row * columns + column) * 2]!);
  return text;
}

/** The rows, without spaces at their ends and without the empty ones below the last text. */
export function screenLines(screen: Screen, options: TextOptions = {}): string[] {
  const lines = Array.from({ length: screen.rows }, (_, row) => rowText(screen, row, options).trimEnd());
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

/** {@link screenLines} as one text. */
export const screenText = (screen: Screen, options: TextOptions = {}): string =>
  screenLines(screen, options)
    .map((line) => `${line}\n`)
    .join('');

const RESET = '\x1b[0m';
/** The VGA has blue in bit 0 and red in bit 2, terminals the other way round. */
const TERMINAL_COLOUR = [0, 4, 2, 6, 1, 5, 3, 7] as const;

/** Select Graphic Rendition (ECMA-48, 8.3.117, and the bright colours 90 to 107 that every terminal has) of an attribute. */
export function attributeSequence(attribute: number, blink: boolean): string {
  const front = attribute & 0x0f;
  const back = (attribute >> 4) & (blink ? 0x07 : 0x0f);
  const colour = (number: number, base: number) =>
    (number & 8 ? base + 60 : base) + TERMINAL_COLOUR[(number & 7) as 0]!;
  const blinks = blink && attribute & 0x80 ? ';5' : '';
  return `\x1b[0;${colour(front, 30)};${colour(back, 40)}${blinks}m`;
}

/** One row in colour, its first `width` characters; ends with the colours reset. */
export function rowAnsi(
  screen: Screen,
  row: number,
  { ascii = false, width = screen.columns }: AnsiOptions = {},
): string {
  const { cells, columns, blink } = screen;
  const character = ascii ? asciiOf : characterOf;
  let text = '';
  let last = -1;
  for (let column = 0; column < Math.min(width, columns); column++) {
    const at = (row * columns + column) * 2;
    const attribute = cells[at + 1]!;
    if (attribute !== last) text += attributeSequence(attribute, blink);
    last = attribute;
    text += character(cells[at]!);
  }
  return text + RESET;
}

/** As {@link TextOptions}; `width`: characters of a row. */
export interface AnsiOptions extends TextOptions {
  readonly width?: number;
}

/** Every row in colour. */
export const screenAnsi = (screen: Screen, options: AnsiOptions = {}): string =>
  Array.from({ length: screen.rows }, (_, row) => `${rowAnsi(screen, row, options)}\n`).join('');

/** The screen as data: rows of text, and of attributes in hexadecimal, two digits for each character. */
export function screenData(screen: Screen) {
  const { columns, rows, cells, cursor, blink, colours, graphics } = screen;
  const attributes = (row: number) =>
    Array.from({ length: columns }, (_, column) => hexByte(cells[(row * columns + column) * 2 + 1]!)).join('');
  return {
    mode: graphics ? 'graphics' : 'text',
    columns,
    rows,
    cursor: cursor ?? null,
    blink,
    colours: colours.map((colour) => `#${colour.toString(16).padStart(6, '0')}`),
    lines: Array.from({ length: rows }, (_, row) => rowText(screen, row)),
    attributes: Array.from({ length: rows }, (_, row) => attributes(row)),
  };
}

const hexByte = (byte: number) => byte.toString(16).padStart(2, '0');
