/** INT 10h: the text screen. (IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupt 10h".) */
import { CRTC } from '../../devices/vga-registers.ts';
import type { BiosCall } from '../call.ts';
import { BDA } from '../layout.ts';
import { byFunction, type Interrupt } from '../service.ts';
import { hex2 } from '../text.ts';
import { setCrtc, TextScreen } from './text-screen.ts';
import { FONTS_AND_COLOURS } from './video-colours.ts';
import { setTextMode } from './video-modes.ts';

const KEEP_TEXT = 0x80;
const NEW_LINE = Uint8Array.of(13, 10);

function setMode(call: BiosCall): void {
  const mode = call.a.l & ~KEEP_TEXT;
  if (setTextMode(call, mode, (call.a.l & KEEP_TEXT) === 0)) {
    call.a.l = 0x30;
    return;
  }
  call.host.note(`mode ${mode}`, `INT 10h AX=00${hex2(mode)}h: this display shows text alone, so the mode stays`);
}

function setCursorShape(call: BiosCall): void {
  call.setWord(BDA.CURSOR_SHAPE, call.c.x);
  setCrtc(call, CRTC.CURSOR_START, call.c.h);
  setCrtc(call, CRTC.CURSOR_END, call.c.l);
}

/** To those who see no screen, a move to the start of a lower row is the end of a line. */
function setCursor(call: BiosCall): void {
  const screen = new TextScreen(call);
  const before = screen.cursor(call.b.h);
  const to = { row: call.d.h, column: call.d.l };
  screen.moveCursor(call.b.h, to);
  if (to.column === 0 && to.row > before.row) call.host.print(NEW_LINE);
}

function getCursor(call: BiosCall): void {
  const { row, column } = new TextScreen(call).cursor(call.b.h);
  call.a.x = 0;
  call.c.x = call.word(BDA.CURSOR_SHAPE);
  call.d.x = (row << 8) | column;
}

function scrollBy(direction: 1 | -1): (call: BiosCall) => void {
  return (call) => {
    const screen = new TextScreen(call);
    const window = { top: call.c.h, left: call.c.l, bottom: call.d.h, right: call.d.l };
    screen.scroll(screen.page, window, direction * call.a.l, call.b.h);
  };
}

function readCharacter(call: BiosCall): void {
  const screen = new TextScreen(call);
  call.a.x = screen.cell(call.b.h, screen.cursor(call.b.h));
}

/** Writes CX times without moving the cursor; a single character is text, many are a drawing. */
function writeCharacters(call: BiosCall, attribute?: number): void {
  const screen = new TextScreen(call);
  let at = screen.cursor(call.b.h);
  for (let n = 0; n < call.c.x && at.row < screen.rows; n++) {
    screen.put(call.b.h, at, call.a.l, attribute);
    at = screen.next(at);
  }
  if (call.c.x === 1) call.host.print(Uint8Array.of(call.a.l));
}

function teletype(call: BiosCall): void {
  const screen = new TextScreen(call);
  screen.teletype(screen.page, call.a.l);
  call.host.print(Uint8Array.of(call.a.l));
}

function getMode(call: BiosCall): void {
  call.a.h = call.word(BDA.COLUMNS);
  call.a.l = call.byte(BDA.VIDEO_MODE);
  call.b.h = call.byte(BDA.PAGE);
}

/** AL: bit 0 moves the cursor, bit 1 says that each character has its attribute behind it. */
function writeString(call: BiosCall): void {
  const screen = new TextScreen(call);
  const page = call.b.h;
  const start = screen.cursor(page);
  const [moves, withAttributes] = [call.a.l & 1, call.a.l & 2];
  const size = withAttributes ? 2 : 1;
  const text = call.memory.read(call.es(call.bp.x), call.c.x * size);
  screen.moveCursor(page, { row: call.d.h, column: call.d.l });
  for (let at = 0; at < text.length; at += size) {
    screen.teletype(page, text[at]!, withAttributes ? text[at + 1]! : call.b.l);
  }
  if (!moves) screen.moveCursor(page, start);
  call.host.print(text.filter((_, at) => at % size === 0));
}

/** INT 10h. */
export const VIDEO: Interrupt = {
  services: byFunction([
    [0x00, 'set mode', setMode],
    [0x01, 'set cursor shape', setCursorShape],
    [0x02, 'set cursor', setCursor],
    [0x03, 'get cursor', getCursor],
    [0x05, 'show page', (call) => new TextScreen(call).showPage(call.a.l)],
    [0x06, 'scroll up', scrollBy(1)],
    [0x07, 'scroll down', scrollBy(-1)],
    [0x08, 'read character', readCharacter],
    [0x09, 'write characters', (call) => writeCharacters(call, call.b.l)],
    [0x0a, 'write characters, colour stays', (call) => writeCharacters(call)],
    [0x0e, 'teletype', teletype],
    [0x0f, 'get mode', getMode],
    [0x13, 'write string', writeString],
    ...FONTS_AND_COLOURS,
  ]),
  // Callers see by an unchanged AL that a function is not there.
  unserved: () => {},
  absent: [
    [0x4f, 'this machine has no VESA graphics'],
    [0x0b, 'this display has no palette of CGA'],
    [0x0c, 'this display has no dots, only text'],
    [0x0d, 'this display has no dots, only text'],
    [0x1b, 'this BIOS has no table of states'],
  ],
};
