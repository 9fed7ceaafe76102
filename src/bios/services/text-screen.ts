/** The text screen as INT 10h sees it: pages of cells in guest memory, a cursor for each page, and the VGA's registers. */
import { CRTC } from '../../devices/vga-registers.ts';
import type { BiosCall } from '../call.ts';
import { BDA, COLOUR_TEXT } from '../layout.ts';

/** Pages whose cursors the BIOS data area has room for. */
const PAGES = 8;
const MONOCHROME_TEXT = 0xb_0000;
const MONOCHROME_MODE = 7;
const BLANK = 0x20;
const NORMAL = 0x07;

/** A position in cells from the top left corner. */
export interface Position {
  readonly row: number;
  readonly column: number;
}

/** A rectangle of cells; all edges belong to it. */
export interface Window {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** Writes a register of the CRT controller. */
export function setCrtc(call: BiosCall, index: number, value: number): void {
  const port = call.word(BDA.CRTC_PORT);
  call.host.portOut(port, 1, index);
  call.host.portOut(port + 1, 1, value & 0xff);
}

/** The screen in its present mode. Guest memory is what it is made of: the object remembers nothing else. */
export class TextScreen {
  readonly columns: number;
  readonly rows: number;
  readonly #call: BiosCall;

  constructor(call: BiosCall) {
    this.#call = call;
    this.columns = Math.min(Math.max(call.word(BDA.COLUMNS), 1), 132);
    this.rows = Math.min(call.byte(BDA.ROWS_LESS_ONE) + 1, 60);
  }

  /** The page that is shown. */
  get page(): number {
    return this.#call.byte(BDA.PAGE) % PAGES;
  }

  #pageStart(page: number): number {
    return (page % PAGES) * this.#call.word(BDA.PAGE_BYTES);
  }

  #address(page: number, { row, column }: Position): number {
    const base = this.#call.byte(BDA.VIDEO_MODE) === MONOCHROME_MODE ? MONOCHROME_TEXT : COLOUR_TEXT;
    return base + ((this.#pageStart(page) + (row * this.columns + column) * 2) & 0x7fff);
  }

  /** The cursor of a page. */
  cursor(page: number): Position {
    const word = this.#call.word(BDA.CURSORS + 2 * (page % PAGES));
    return { row: word >> 8, column: word & 0xff };
  }

  /** Moves the cursor of a page, also that of the display if the page is shown. */
  moveCursor(page: number, { row, column }: Position): void {
    this.#call.setWord(BDA.CURSORS + 2 * (page % PAGES), (row << 8) | column);
    if (page % PAGES === this.page) this.showCursor();
  }

  /** Puts the display's cursor where that of the shown page is. */
  showCursor(): void {
    const { row, column } = this.cursor(this.page);
    const at = this.#pageStart(this.page) / 2 + row * this.columns + column;
    setCrtc(this.#call, CRTC.CURSOR_HIGH, at >> 8);
    setCrtc(this.#call, CRTC.CURSOR_LOW, at);
  }

  /** Shows a page. */
  showPage(page: number): void {
    this.#call.setByte(BDA.PAGE, page % PAGES);
    const start = this.#pageStart(page);
    this.#call.setWord(BDA.PAGE_START, start);
    setCrtc(this.#call, CRTC.START_HIGH, start >> 9);
    setCrtc(this.#call, CRTC.START_LOW, start >> 1);
    this.showCursor();
  }

  /** The character and attribute of a cell: the attribute is the high byte. */
  cell(page: number, at: Position): number {
    return this.#call.word(this.#address(page, at));
  }

  /** Writes a character; without an attribute that of the cell stays. */
  put(page: number, at: Position, character: number, attribute?: number): void {
    const address = this.#address(page, at);
    if (attribute === undefined) this.#call.setByte(address, character);
    else this.#call.setWord(address, character | (attribute << 8));
  }

  /** The position after this one, which may be below the last row. */
  next({ row, column }: Position): Position {
    return column + 1 < this.columns ? { row, column: column + 1 } : { row: row + 1, column: 0 };
  }

  /** Moves the lines of a window up (negative: down), and fills what becomes free. 0 clears the window. */
  scroll(page: number, window: Window, lines: number, attribute: number): void {
    const { top, left } = window;
    const bottom = Math.min(window.bottom, this.rows - 1);
    const right = Math.min(window.right, this.columns - 1);
    if (left > right || top > bottom) return;
    const width = (right - left + 1) * 2;
    const height = bottom - top + 1;
    const by = Math.abs(lines) >= height ? 0 : lines;
    const blank = new Uint8Array(width);
    for (let i = 0; i < width; i += 2) blank.set([BLANK, attribute], i);
    const line = (row: number) => this.#address(page, { row, column: left });
    const rows = Array.from({ length: height }, (_, i) => (by >= 0 ? top + i : bottom - i));
    for (const row of rows) {
      const from = row + by;
      const moved = by !== 0 && from >= top && from <= bottom;
      this.#call.memory.write(line(row), moved ? this.#call.memory.read(line(from), width) : blank);
    }
  }

  /** Fills the whole page with blanks. */
  clear(page: number): void {
    this.scroll(page, this.all, 0, NORMAL);
  }

  /** The whole screen. */
  get all(): Window {
    return { top: 0, left: 0, bottom: this.rows - 1, right: this.columns - 1 };
  }

  /** Writes as a teletype does: control characters move the cursor, and below the last row the page scrolls. */
  teletype(page: number, character: number, attribute?: number): void {
    const at = this.cursor(page);
    const move = CONTROLS[character];
    if (!move) this.put(page, at, character, attribute);
    let to = move ? move(at) : this.next(at);
    if (to.row >= this.rows) {
      const last = { row: this.rows - 1, column: 0 };
      this.scroll(page, this.all, 1, this.cell(page, last) >> 8);
      to = { row: this.rows - 1, column: to.column };
    }
    this.moveCursor(page, to);
  }
}

const CONTROLS: Readonly<Record<number, (at: Position) => Position>> = {
  7: (at) => at, // a bell has no sound here
  8: ({ row, column }) => ({ row, column: Math.max(0, column - 1) }),
  10: ({ row, column }) => ({ row: row + 1, column }),
  13: ({ row }) => ({ row, column: 0 }),
};
