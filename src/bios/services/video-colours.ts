/** INT 10h AH=10h, 11h, 12h and 1Ah: colours, heights of characters, and what display there is. */
import { ATTRIBUTE_BLINK, ATTRIBUTE_MODE, CRTC, TEXT_MODE } from '../../devices/vga-registers.ts';
import type { BiosCall } from '../call.ts';
import { BDA } from '../layout.ts';
import type { ServiceRow } from '../service.ts';
import { setCrtc } from './text-screen.ts';
import { setAttributes } from './video-modes.ts';

const DAC = { READ: 0x3c7, WRITE: 0x3c8, DATA: 0x3c9 } as const;
const OVERSCAN = 0x11;
const SCAN_LINES = 400;
const VGA_WITH_COLOUR = 0x08;

const setRegisters = (call: BiosCall, first: number, ...values: readonly number[]) =>
  setAttributes(call.host, call.word(BDA.CRTC_PORT), Uint8Array.from(values), first);

function setPalette(call: BiosCall): void {
  const all = call.memory.read(call.es(call.d.x), OVERSCAN);
  setRegisters(call, 0, ...all.subarray(0, 16));
  setRegisters(call, OVERSCAN, all[16]!);
}

function setBlink(call: BiosCall): void {
  const mode = TEXT_MODE.attributes[ATTRIBUTE_MODE]!;
  setRegisters(call, ATTRIBUTE_MODE, call.b.l & 1 ? mode | ATTRIBUTE_BLINK : mode & ~ATTRIBUTE_BLINK);
}

function setColours(call: BiosCall): void {
  call.host.portOut(DAC.WRITE, 1, call.b.x);
  for (const level of call.memory.read(call.es(call.d.x), call.c.x * 3)) call.host.portOut(DAC.DATA, 1, level);
}

function readColours(call: BiosCall): void {
  call.host.portOut(DAC.READ, 1, call.b.x);
  const levels = Uint8Array.from({ length: call.c.x * 3 }, () => call.host.portIn(DAC.DATA, 1));
  call.memory.write(call.es(call.d.x), levels);
}

function setColour(call: BiosCall): void {
  call.host.portOut(DAC.WRITE, 1, call.b.x);
  for (const level of [call.d.h, call.c.h, call.c.l]) call.host.portOut(DAC.DATA, 1, level);
}

function readColour(call: BiosCall): void {
  call.host.portOut(DAC.READ, 1, call.b.x);
  call.d.h = call.host.portIn(DAC.DATA, 1);
  call.c.h = call.host.portIn(DAC.DATA, 1);
  call.c.l = call.host.portIn(DAC.DATA, 1);
}

/** The display has one font, of which a terminal or picture shows every row; its height decides how many rows there are. */
function setHeight(height: number): (call: BiosCall) => void {
  return (call) => {
    const rows = Math.floor(SCAN_LINES / height);
    setCrtc(call, CRTC.CHARACTER_HEIGHT, 0x40 | (height - 1));
    setCrtc(call, CRTC.CURSOR_START, height - 2);
    setCrtc(call, CRTC.CURSOR_END, height - 1);
    call.setByte(BDA.ROWS_LESS_ONE, rows - 1);
    call.setWord(BDA.CHARACTER_HEIGHT, height);
    call.setWord(BDA.PAGE_BYTES, rows > 25 ? 0x2000 : 0x1000);
  };
}

function fontFacts(call: BiosCall): void {
  call.c.x = call.word(BDA.CHARACTER_HEIGHT);
  call.d.l = call.byte(BDA.ROWS_LESS_ONE);
  call.setEs(0);
  call.bp.x = 0;
  call.host.note('font', 'INT 10h AX=1130h: the font of this display is not in guest memory; the pointer is 0000:0000');
}

/** BL: 10h asks for facts of the display; 30h and above choose what this display has or does anyhow. */
function alternate(call: BiosCall): 'unserved' | undefined {
  if (call.b.l === 0x10) {
    call.b.x = 0x0003;
    call.c.x = 0x0009;
    return undefined;
  }
  if (call.b.l < 0x30 || call.b.l > 0x36) return 'unserved';
  call.a.l = 0x12;
  return undefined;
}

function displayCode(call: BiosCall): void {
  if (call.a.l === 0) call.b.x = VGA_WITH_COLOUR;
  call.a.l = 0x1a;
}

/** These services. */
export const FONTS_AND_COLOURS: readonly ServiceRow[] = [
  [0x1000, 'set palette register', (call) => setRegisters(call, call.b.l & 0x1f, call.b.h)],
  [0x1001, 'set border', (call) => setRegisters(call, OVERSCAN, call.b.h)],
  [0x1002, 'set palette', setPalette],
  [0x1003, 'blink or bright', setBlink],
  [0x1010, 'set colour', setColour],
  [0x1012, 'set colours', setColours],
  [0x1015, 'read colour', readColour],
  [0x1017, 'read colours', readColours],
  [0x1101, '8x14 characters', setHeight(14)],
  [0x1102, '8x8 characters', setHeight(8)],
  [0x1104, '8x16 characters', setHeight(16)],
  [0x1111, '8x14 characters', setHeight(14)],
  [0x1112, '8x8 characters', setHeight(8)],
  [0x1114, '8x16 characters', setHeight(16)],
  [0x1130, 'font facts', fontFacts],
  [0x12, 'display facts', alternate],
  [0x1a, 'display code', displayCode],
];
