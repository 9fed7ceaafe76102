/** A VGA text screen drawn in the terminal: on its second screen, so that what was there comes back afterwards. */
import { rowAnsi } from '../../screen/render.ts';
import type { Screen } from '../../screen/screen.ts';

/** Where it is drawn: a terminal, or what a test reads. */
export interface Canvas {
  readonly columns: number;
  readonly rows: number;
  /** Returns whether more can be written at once. */
  write(text: string): boolean;
}

const ENTER = '\x1b[?1049h\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l';
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const TO_LINE_END = '\x1b[0m\x1b[K';
const move = (row: number, column: number) => `\x1b[${row + 1};${column + 1}H`;

/** Draws screen after screen: only the rows that differ from what is there. Close it before anything else is printed. */
export class TerminalScreen {
  readonly #canvas: Canvas;
  readonly #ascii: boolean;
  /** What each line of the terminal shows. */
  #shown: string[] = [];
  #cursor = '';
  #size = '';
  #note = '';
  #last: Screen | undefined;
  #open = true;

  constructor(canvas: Canvas, { ascii = false } = {}) {
    this.#canvas = canvas;
    this.#ascii = ascii;
    canvas.write(ENTER);
  }

  /** Draws the screen. A terminal with fewer lines shows those around the cursor. */
  draw(screen: Screen): void {
    this.#last = screen;
    if (!this.#open) return;
    const { columns, rows } = this.#canvas;
    this.#clearOnResize(`${columns}x${rows}`);
    const top = firstRow(screen, rows);
    const lines = Array.from({ length: Math.min(screen.rows, rows) }, (_, line) =>
      rowAnsi(screen, top + line, { width: columns, ascii: this.#ascii }),
    );
    if (lines.length < rows) lines.push(this.#note.slice(0, columns));
    const changed = lines.flatMap((text, line) =>
      text === this.#shown[line] ? [] : [move(line, 0) + text + TO_LINE_END],
    );
    this.#shown = lines;
    const cursor = this.#cursorText(screen, top);
    if (changed.length === 0 && cursor === this.#cursor) return;
    this.#cursor = cursor;
    this.#canvas.write(HIDE_CURSOR + changed.join('') + cursor);
  }

  /** Shows a line under the screen, where the terminal has room for it. */
  note(line: string): void {
    this.#note = line;
    if (this.#last) this.draw(this.#last);
  }

  #clearOnResize(size: string): void {
    if (size === this.#size) return;
    if (this.#size !== '') this.#canvas.write('\x1b[2J');
    this.#size = size;
    this.#shown = [];
    this.#cursor = '';
  }

  #cursorText({ cursor }: Screen, top: number): string {
    if (!cursor) return '';
    const row = cursor.row - top;
    const isSeen = row >= 0 && row < this.#canvas.rows && cursor.column < this.#canvas.columns;
    return isSeen ? move(row, cursor.column) + SHOW_CURSOR : '';
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (this.#open) this.#canvas.write(LEAVE);
    this.#open = false;
  }
}

/** The first row that is shown on a terminal of `lines` lines. */
function firstRow({ rows, cursor }: Screen, lines: number): number {
  if (rows <= lines) return 0;
  return Math.max(0, Math.min((cursor?.row ?? 0) - lines + 1, rows - lines));
}
