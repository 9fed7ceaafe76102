/** Columns for lines that carry colour: widths are counted without it. */
import { stripVTControlCharacters } from 'node:util';

const widthOf = (text: string) => stripVTControlCharacters(text).length;

/** Rows as lines: each column as wide as its widest cell, two spaces between. */
export function paintedColumns(rows: readonly (readonly string[])[], indent = ''): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  // The last cell of a row takes what it needs.
  const widths = Array.from({ length: count }, (_, i) =>
    Math.max(0, ...rows.filter((row) => i < row.length - 1).map((row) => widthOf(row[i]!))),
  );
  return rows.map(
    (row) =>
      indent +
      row
        .map((cell, i) => (i < row.length - 1 ? cell + ' '.repeat(Math.max(0, widths[i]! - widthOf(cell))) : cell))
        .join('  '),
  );
}
