/** The text modes of INT 10h AH=00h: the VGA's registers and the BIOS data area of each. */
import { TEXT_MODE } from '../../devices/vga-registers.ts';
import type { BiosCall } from '../call.ts';
import { BDA } from '../layout.ts';
import { TextScreen } from './text-screen.ts';

interface TextMode {
  readonly columns: number;
  /** Bytes of a page. */
  readonly pageBytes: number;
  /** The CRT controller's index port. */
  readonly crtcPort: number;
  /** Registers that differ from mode 3, by index. */
  readonly crtc?: Readonly<Record<number, number>>;
  readonly misc?: number;
  readonly sequencer1?: number;
  readonly graphics6?: number;
}

const COLUMNS_40: TextMode = {
  columns: 40,
  pageBytes: 0x800,
  crtcPort: 0x3d4,
  crtc: { 0: 0x2d, 1: 0x27, 2: 0x28, 3: 0x90, 4: 0x2b, 5: 0xa0, 19: 0x14 },
  sequencer1: 0x08,
};
const COLUMNS_80: TextMode = { columns: 80, pageBytes: 0x1000, crtcPort: 0x3d4 };
const MONOCHROME: TextMode = { columns: 80, pageBytes: 0x1000, crtcPort: 0x3b4, misc: 0x66, graphics6: 0x0a };

/** By number. */
const TEXT_MODES: Readonly<Record<number, TextMode>> = {
  0: COLUMNS_40,
  1: COLUMNS_40,
  2: COLUMNS_80,
  3: COLUMNS_80,
  7: MONOCHROME,
};

const PORT = { ATTRIBUTE: 0x3c0, MISC: 0x3c2, SEQUENCER: 0x3c4, DAC_WRITE: 0x3c8, DAC_DATA: 0x3c9, GRAPHICS: 0x3ce };
const STATUS_FROM_CRTC = 6;
const UNPROTECT = 0x11;
/** Index of the attribute controller that turns the display on. */
const DISPLAY_ON = 0x20;
const CURSOR_LINES = 0x0d0e;
const ROWS = 25;

/** Sets a text mode. Returns whether it is one. `clear`: the pages are filled with blanks. */
export function setTextMode(call: BiosCall, mode: number, clear: boolean): boolean {
  const text = TEXT_MODES[mode];
  if (!text) return false;
  programVga(call, text);
  call.setByte(BDA.VIDEO_MODE, mode);
  call.setWord(BDA.COLUMNS, text.columns);
  call.setWord(BDA.PAGE_BYTES, text.pageBytes);
  call.setWord(BDA.PAGE_START, 0);
  call.memory.write(BDA.CURSORS, new Uint8Array(16));
  call.setWord(BDA.CURSOR_SHAPE, CURSOR_LINES);
  call.setByte(BDA.PAGE, 0);
  call.setWord(BDA.CRTC_PORT, text.crtcPort);
  call.setByte(BDA.ROWS_LESS_ONE, ROWS - 1);
  call.setWord(BDA.CHARACTER_HEIGHT, 16);
  const screen = new TextScreen(call);
  if (clear) for (let page = 0; page < 0x8000 / text.pageBytes; page++) screen.clear(page);
  screen.showCursor();
  return true;
}

function programVga({ host }: BiosCall, text: TextMode): void {
  const indexed = (port: number, index: number, value: number) => {
    host.portOut(port, 1, index);
    host.portOut(port + 1, 1, value);
  };
  host.portOut(PORT.MISC, 1, text.misc ?? TEXT_MODE.misc);
  TEXT_MODE.sequencer.forEach((value, index) => {
    indexed(PORT.SEQUENCER, index, index === 1 ? (text.sequencer1 ?? value) : value);
  });
  TEXT_MODE.graphics.forEach((value, index) => {
    indexed(PORT.GRAPHICS, index, index === 6 ? (text.graphics6 ?? value) : value);
  });
  indexed(text.crtcPort, UNPROTECT, 0);
  TEXT_MODE.crtc.forEach((value, index) => {
    indexed(text.crtcPort, index, text.crtc?.[index] ?? value);
  });
  setAttributes(host, text.crtcPort, TEXT_MODE.attributes);
  host.portOut(PORT.DAC_WRITE, 1, 0);
  for (const level of TEXT_MODE.dac) host.portOut(PORT.DAC_DATA, 1, level);
}

/** Writes attribute registers from `first` on; index and data share a port, and reading the status makes an index next. */
export function setAttributes(host: BiosCall['host'], crtcPort: number, values: Uint8Array, first = 0): void {
  host.portIn(crtcPort + STATUS_FROM_CRTC, 1);
  values.forEach((value, i) => {
    host.portOut(PORT.ATTRIBUTE, 1, first + i);
    host.portOut(PORT.ATTRIBUTE, 1, value);
  });
  host.portOut(PORT.ATTRIBUTE, 1, DISPLAY_ON);
}
