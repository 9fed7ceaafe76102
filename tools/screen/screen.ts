/**
 * The VGA's text screen. It has no device behind it: it is guest memory, two bytes for each character, from 0xb8000 on
 * (0xb0000 on a monochrome display). The registers say how it is laid out and where the cursor is.
 */
import {
  ATTRIBUTE_BLINK,
  ATTRIBUTE_MODE,
  CRTC,
  GRAPHICS_MISC,
  isGraphics,
  MISC_COLOUR,
  type VgaRegisters,
} from '../../src/devices/vga-registers.ts';

/** A screen of text. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  /** Row by row: the code (code page 437) and the attribute of each character. */
  readonly cells: Uint8Array;
  /** Where the cursor is, counted from 0. Absent: it is off, or elsewhere. */
  readonly cursor?: { readonly column: number; readonly row: number };
  /** Dot lines of the cursor in a character of `height` lines, from the top; both included. */
  readonly cursorLines: readonly [first: number, last: number];
  /** Dot lines of a character. */
  readonly height: number;
  /** Bit 7 of an attribute is blinking text, not a bright background. */
  readonly blink: boolean;
  /** The 16 colours as 0xrrggbb. */
  readonly colours: readonly number[];
  /** The guest has left text mode: the cells are what was in text memory. */
  readonly graphics: boolean;
}

/** Reads guest-physical memory. */
export type ReadMemory = (gpa: number, length: number) => Uint8Array;

/** Bytes of text memory; addresses beyond wrap to its start. */
const WINDOW = 0x8000;
const COLOUR_WINDOW = 0xb8000;
const MONOCHROME_WINDOW = 0xb0000;

/** The most that a screen may have; `HEIGHT`: dot lines of a character. */
export const MOST = { COLUMNS: 132, ROWS: 60, HEIGHT: 32 } as const;
/** In the register of a character's height: each line is drawn twice, so that 200 of them fill a display of 400. */
const DOUBLE_SCAN = 0x80;
const DEFAULT = { columns: 80, rows: 25, height: 16 } as const;

/** Decodes the screen. Registers without sense are taken for 80 columns and 25 rows. Throws what `read` throws. */
export function decodeScreen(registers: VgaRegisters, read: ReadMemory): Screen {
  const { crtc, attributes } = registers;
  const { columns, rows, height } = sizeOf(crtc);
  const start = word(crtc, CRTC.START_HIGH);
  const stride = crtc[CRTC.OFFSET]! * 2 || columns;
  const cells = new Uint8Array(columns * rows * 2);
  for (let row = 0; row < rows; row++) {
    const bytes = readWrapped(read, windowOf(registers), (start + row * stride) * 2, columns * 2);
    cells.set(bytes, row * columns * 2);
  }
  const cursor = cursorOf(crtc, word(crtc, CRTC.CURSOR_HIGH) - start, stride);
  return {
    columns,
    rows,
    cells,
    ...(cursor && cursor.column < columns && cursor.row < rows && { cursor }),
    cursorLines: [crtc[CRTC.CURSOR_START]! & 0x1f, Math.min(crtc[CRTC.CURSOR_END]! & 0x1f, height - 1)],
    height,
    blink: (attributes[ATTRIBUTE_MODE]! & ATTRIBUTE_BLINK) !== 0,
    colours: coloursOf(registers),
    graphics: isGraphics(registers),
  };
}

const word = (crtc: Uint8Array, high: number) => crtc[high]! * 256 + crtc[high + 1]!;

/** A monochrome display has the CRT controller at 0x3b4 and, if the graphics controller says so, memory at 0xb0000. */
const windowOf = ({ misc, graphics }: VgaRegisters) =>
  (misc & MISC_COLOUR) === 0 && (graphics[GRAPHICS_MISC]! & 0x0c) === 0x08 ? MONOCHROME_WINDOW : COLOUR_WINDOW;

function sizeOf(crtc: Uint8Array) {
  const overflow = crtc[CRTC.OVERFLOW]!;
  const lines = crtc[CRTC.LINES_LESS_ONE]! + ((overflow & 0x02) << 7) + ((overflow & 0x40) << 3) + 1;
  const height = (crtc[CRTC.CHARACTER_HEIGHT]! & 0x1f) + 1;
  const columns = crtc[CRTC.COLUMNS_LESS_ONE]! + 1;
  const rows = Math.floor(lines / (crtc[CRTC.CHARACTER_HEIGHT]! & DOUBLE_SCAN ? 2 * height : height));
  const sound = columns >= 40 && columns <= MOST.COLUMNS && lines >= 200 && rows >= 1 && rows <= MOST.ROWS;
  return sound ? { columns, rows, height } : DEFAULT;
}

function readWrapped(read: ReadMemory, base: number, offset: number, length: number): Uint8Array {
  const at = offset % WINDOW;
  const first = Math.min(length, WINDOW - at);
  const bytes = read(base + at, first);
  return first === length ? bytes : Buffer.concat([bytes, read(base, length - first)]);
}

/** Bit 5 of the first line's register switches the cursor off; so does an end before the start. */
function cursorOf(crtc: Uint8Array, place: number, stride: number) {
  const first = crtc[CRTC.CURSOR_START]!;
  const isOff = (first & 0x20) !== 0 || (first & 0x1f) > (crtc[CRTC.CURSOR_END]! & 0x1f);
  return isOff || place < 0 ? undefined : { column: place % stride, row: Math.floor(place / stride) };
}

/** An attribute's colour goes through the attribute controller's table of 16, then through the DAC. */
function coloursOf({ attributes, dac }: VgaRegisters): number[] {
  const eight = (six: number) => (six << 2) | (six >> 4);
  return Array.from({ length: 16 }, (_, colour) => {
    const at = (attributes[colour]! & 0x3f) * 3;
    return [0, 1, 2].reduce((rgb, part) => rgb * 256 + eight(dac[at + part]! & 0x3f), 0);
  });
}
