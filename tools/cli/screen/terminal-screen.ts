/** A VGA text screen drawn in the terminal: on its second screen, so that what was there comes back afterwards. */
import { rowAnsi } from '../../screen/render.ts';
import type { Screen } from '../../screen/screen.ts';
import { inAscii } from '../terminal-text.ts';

/** Where it is drawn: a terminal, or what a test reads. */
export interface Canvas {
  /** Characters of a line; 0 where the terminal does not know. */
  readonly columns: number;
  /** Lines; 0 where the terminal does not know. */
  readonly rows: number;
  write(text: string): void;
}

/** The size of a terminal that does not know its own. */
const UNKNOWN = { columns: 80, rows: 24 } as const;
/** Milliseconds for which a note stands over the guest's last line. */
export const NOTE_MS = 5000;

const ENTER = '\x1b[?1049h\x1b[?7l\x1b[2J';
const LEAVE = '\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l';
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const REVERSE = '\x1b[0;7m';
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
  /** Whether the note may cover a line of the guest. */
  #covers = false;
  /** Ends that. */
  #uncovering: NodeJS.Timeout | undefined;
  #last: Screen | undefined;
  /** Whether the terminal's second screen is on. */
  #entered = false;
  #closed = false;

  constructor(canvas: Canvas, { ascii = false } = {}) {
    this.#canvas = canvas;
    this.#ascii = ascii;
    this.enter();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Draws the screen. A terminal with fewer lines shows those around the cursor. */
  draw(screen: Screen): void {
    this.#last = screen;
    if (!this.#entered) return;
    const columns = this.#canvas.columns || UNKNOWN.columns;
    const rows = this.#canvas.rows || UNKNOWN.rows;
    this.#clearOnResize(`${columns}x${rows}`);
    const top = firstRow(screen, rows);
    const lines = Array.from({ length: Math.min(screen.rows, rows) }, (_, line) =>
      rowAnsi(screen, top + line, { width: columns, ascii: this.#ascii }),
    );
    const note = this.#note.slice(0, columns);
    // Its time begins when it is seen: the first screen may come long after it.
    if (this.#covers) this.#uncovering ??= setTimeout(() => this.uncover(), NOTE_MS).unref();
    if (lines.length < rows) lines.push(note);
    else if (this.#covers) lines[rows - 1] = REVERSE + note;
    const changed = lines.flatMap((text, line) =>
      text === this.#shown[line] ? [] : [move(line, 0) + text + TO_LINE_END],
    );
    this.#shown = lines;
    const cursor = cursorText(screen, top, { columns, rows });
    if (changed.length === 0 && cursor === this.#cursor) return;
    this.#cursor = cursor;
    this.#canvas.write(HIDE_CURSOR + changed.join('') + cursor);
  }

  /** Draws the last screen again where it is not there: the terminal has another size, or a note has come or gone. */
  redraw(): void {
    if (this.#last) this.draw(this.#last);
  }

  /** Shows a line under the screen; where the terminal has no line for it, over the last one for {@link NOTE_MS}. */
  note(line: string): void {
    if (this.#closed) return;
    this.#note = this.#ascii ? inAscii(line) : line;
    this.#stopCovering();
    this.#covers = true;
    this.redraw();
  }

  /** Takes a note away that stands over the guest's last line. */
  uncover(): void {
    if (!this.#covers) return;
    this.#stopCovering();
    this.redraw();
  }

  #stopCovering(): void {
    clearTimeout(this.#uncovering);
    this.#uncovering = undefined;
    this.#covers = false;
  }

  #clearOnResize(size: string): void {
    if (size === this.#size) return;
    if (this.#size !== '') this.#canvas.write('\x1b[2J');
    this.#size = size;
    this.#forget();
  }

  #forget(): void {
    this.#shown = [];
    this.#cursor = '';
  }

  /** Takes the terminal, and draws the last screen whole. */
  enter(): void {
    if (this.#closed) return;
    this.#entered = true;
    this.#canvas.write(ENTER);
    this.#forget();
    this.redraw();
  }

  /** Gives the terminal back as it was, until {@link enter}. */
  leave(): void {
    if (this.#entered) this.#canvas.write(LEAVE);
    this.#entered = false;
  }

  /** Gives the terminal back for good. */
  close(): void {
    this.#closed = true;
    this.#stopCovering();
    this.leave();
  }
}

function cursorText({ cursor }: Screen, top: number, { columns, rows }: Pick<Canvas, 'columns' | 'rows'>): string {
  if (!cursor) return '';
  const row = cursor.row - top;
  const isSeen = row >= 0 && row < rows && cursor.column < columns;
  return isSeen ? move(row, cursor.column) + SHOW_CURSOR : '';
}

/** The first row that is shown on a terminal of `lines` lines. */
function firstRow({ rows, cursor }: Screen, lines: number): number {
  if (rows <= lines) return 0;
  return Math.max(0, Math.min((cursor?.row ?? 0) - lines + 1, rows - lines));
}
