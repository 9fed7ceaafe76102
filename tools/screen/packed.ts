/** A screen as JSON that can be made into the same screen again: for the control socket. */
import { MOST, type Screen } from './screen.ts';

/** As {@link Screen}; `cells` has one character for each byte. */
export type PackedScreen = Omit<Screen, 'cells' | 'cursorLines'> & {
  readonly cells: string;
  readonly cursorLines: readonly number[];
};

/** A screen as JSON; {@link unpackScreen} makes the screen of it. */
export const packScreen = (screen: Screen): PackedScreen => ({
  ...screen,
  cells: Buffer.from(screen.cells).toString('latin1'),
});

/**
 * The screen that was packed. Throws RangeError for numbers out of bounds, or that do not fit each other: the other side may
 * be any program.
 */
export function unpackScreen(packed: PackedScreen): Screen {
  const wrong = Object.entries(SOUND).find(([, isSound]) => !isSound(packed));
  if (wrong) throw new RangeError(`its ${wrong[0]} cannot be`);
  const [first, last] = packed.cursorLines as [number, number];
  return { ...packed, cells: Buffer.from(packed.cells, 'latin1'), cursorLines: [first, last] };
}

const within = (value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most;

/** What each field must be, in the order of looking: later ones rely on earlier ones. */
const SOUND: { readonly [Field in keyof PackedScreen]?: (screen: PackedScreen) => boolean } = {
  columns: ({ columns }) => within(columns, 1, MOST.COLUMNS),
  rows: ({ rows }) => within(rows, 1, MOST.ROWS),
  height: ({ height }) => within(height, 1, MOST.HEIGHT),
  cells: ({ cells, columns, rows }) => cells.length === columns * rows * 2,
  colours: ({ colours }) => colours.length === 16 && colours.every((colour) => within(colour, 0, 0xffffff)),
  cursorLines: ({ cursorLines }) =>
    cursorLines.length === 2 && cursorLines.every((line) => within(line, 0, MOST.HEIGHT - 1)),
  cursor: ({ cursor, columns, rows }) =>
    cursor === undefined || (within(cursor.column, 0, columns - 1) && within(cursor.row, 0, rows - 1)),
};

/** Whether two screens look the same. */
export function sameScreen(a: Screen | undefined, b: Screen): boolean {
  if (!a || Buffer.compare(a.cells, b.cells) !== 0) return false;
  const { cells: _, ...restOfA } = a;
  const { cells: __, ...restOfB } = b;
  return JSON.stringify(restOfA) === JSON.stringify(restOfB);
}
