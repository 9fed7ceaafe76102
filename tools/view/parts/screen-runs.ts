/** A row of a text screen as runs of cells that look alike: what both pages draw. */
import { rowText } from '../../screen/render.ts';
import type { Screen } from '../../screen/screen.ts';

/** Cells in one look. Colours are `#rrggbb`. */
export interface ScreenRun {
  readonly text: string;
  readonly front: string;
  readonly back: string;
  /** They differ from the screen that this one is compared with. */
  readonly differs: boolean;
}

/** The runs of a row. `differs`: for each column, whether it is to be marked. */
export function screenRuns(screen: Screen, row: number, differs: readonly boolean[] = []): ScreenRun[] {
  const text = rowText(screen, row);
  const lookAt = (column: number) =>
    screen.cells[(row * screen.columns + column) * 2 + 1]! + (differs[column] ? 0x100 : 0);
  const runs: ScreenRun[] = [];
  for (let from = 0; from < screen.columns; ) {
    let to = from + 1;
    while (to < screen.columns && lookAt(to) === lookAt(from)) to++;
    runs.push(runOf(screen, lookAt(from), text.slice(from, to)));
    from = to;
  }
  return runs;
}

function runOf({ blink, colours }: Screen, look: number, text: string): ScreenRun {
  const back = (look >> 4) & (blink ? 0x07 : 0x0f);
  const colour = (number: number) => `#${colours[number]!.toString(16).padStart(6, '0')}`;
  return { text, front: colour(look & 0x0f), back: colour(back), differs: (look & 0x100) !== 0 };
}
