/** A screen as JSON that can be made into the same screen again: for the control socket. */
import type { Screen } from './screen.ts';

/** As {@link Screen}; `cells` has one character for each byte. */
export type PackedScreen = Omit<Screen, 'cells' | 'cursorLines'> & {
  readonly cells: string;
  readonly cursorLines: readonly number[];
};

export const packScreen = (screen: Screen): PackedScreen => ({
  ...screen,
  cells: Buffer.from(screen.cells).toString('latin1'),
});

/** Throws RangeError when the numbers do not fit each other: the other side may be any program. */
export function unpackScreen(packed: PackedScreen): Screen {
  const { columns, rows, cells, colours, cursorLines } = packed;
  const [first, last] = cursorLines;
  if (columns * rows * 2 !== cells.length || colours.length !== 16 || first === undefined || last === undefined)
    throw new RangeError(`${cells.length} bytes are no screen of ${columns}x${rows}`);
  return { ...packed, cells: Buffer.from(cells, 'latin1'), cursorLines: [first, last] };
}

/** Whether two screens look the same. */
export function sameScreen(a: Screen | undefined, b: Screen): boolean {
  if (!a || Buffer.compare(a.cells, b.cells) !== 0) return false;
  const { cells: _, ...restOfA } = a;
  const { cells: __, ...restOfB } = b;
  return JSON.stringify(restOfA) === JSON.stringify(restOfB);
}
