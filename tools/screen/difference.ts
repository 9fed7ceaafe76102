/** What differs between two screens, as a reader sees it: characters and colours, row by row. */
import type { TextOptions } from './render.ts';
import { rowText } from './render.ts';
import type { Screen } from './screen.ts';

/** A row that differs. */
export interface RowChange {
  /** Counted from 0. */
  readonly row: number;
  /** The text before and after, without spaces at the end; empty where a screen has no such row. */
  readonly before: string;
  readonly after: string;
  /** For each column, whether it differs. */
  readonly differs: readonly boolean[];
}

/** The rows that differ, from the top. A cursor elsewhere is no difference: that is a register. */
export function screenChanges(a: Screen, b: Screen, options: TextOptions = {}): RowChange[] {
  const columns = Math.max(a.columns, b.columns);
  return Array.from({ length: Math.max(a.rows, b.rows) }, (_, row) => ({
    row,
    before: textOf(a, row, options),
    after: textOf(b, row, options),
    differs: Array.from({ length: columns }, (_, column) => seenAt(a, row, column) !== seenAt(b, row, column)),
  })).filter(({ differs }) => differs.includes(true));
}

const textOf = (screen: Screen, row: number, options: TextOptions): string =>
  row < screen.rows ? rowText(screen, row, options).trimEnd() : '';

/** Codes without a dot: the colour of their characters is not seen. */
const BLANK: ReadonlySet<number> = new Set([0x00, 0x20, 0xff]);

/** A number for what is seen in a cell; 0 for black without a character, as outside of the screen. */
function seenAt({ cells, columns, rows, blink }: Screen, row: number, column: number): number {
  if (row >= rows || column >= columns) return 0;
  const at = (row * columns + column) * 2;
  const [code, attribute] = [cells[at]!, cells[at + 1]!];
  if (!BLANK.has(code)) return code * 256 + attribute;
  return attribute & (blink ? 0x70 : 0xf0);
}
