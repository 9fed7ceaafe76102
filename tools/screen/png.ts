/** A text screen as a picture: 8 dots a character across; of 8x8 characters, every other line of the font. */
import { PNG } from 'pngjs';
import { FONT } from './font.ts';
import type { Screen } from './screen.ts';

/** Dots across and down of a glyph. */
const GLYPH = { width: 8, height: 16 } as const;

/** The dots of one line of a character, its leftmost in bit 7; `height` lines are stretched or shrunk to. */
const lineOf = (code: number, line: number, height: number): number =>
  FONT[code * GLYPH.height + Math.floor((line * GLYPH.height) / height)]!;

/** The screen as a PNG file, its cursor drawn where it is on; text that blinks is shown. */
export function screenPng(screen: Screen): Uint8Array {
  const { columns, rows, height } = screen;
  const picture = new PNG({ width: columns * GLYPH.width, height: rows * height });
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) drawCharacter(picture, screen, row, column);
  return PNG.sync.write(picture, { colorType: 2 });
}

function drawCharacter(picture: PNG, screen: Screen, row: number, column: number): void {
  const { cells, columns, height, colours, blink } = screen;
  const at = (row * columns + column) * 2;
  const attribute = cells[at + 1]!;
  const front = colours[attribute & 0x0f]!;
  const back = colours[(attribute >> 4) & (blink ? 0x07 : 0x0f)]!;
  for (let line = 0; line < height; line++) {
    const dots = isCursor(screen, row, column, line) ? 0xff : lineOf(cells[at]!, line, height);
    for (let dot = 0; dot < GLYPH.width; dot++) {
      const colour = (dots << dot) & 0x80 ? front : back;
      const y = row * height + line;
      picture.data.writeUInt32BE(colour * 256 + 0xff, (y * picture.width + column * GLYPH.width + dot) * 4);
    }
  }
}

const isCursor = ({ cursor, cursorLines: [first, last] }: Screen, row: number, column: number, line: number) =>
  cursor?.row === row && cursor.column === column && line >= first && line <= last;
