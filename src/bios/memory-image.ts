/** What the BIOS has in guest memory before it starts a boot sector. */
import type { GuestMemory } from '../memory/guest-memory.ts';
import { type Drive, driveTable } from './drives.ts';
import { BDA, COLOUR_TEXT, EBDA, ROM, VECTORS } from './layout.ts';
import { romBytes, vectorBytes } from './rom.ts';

/** Bytes at a guest-physical address. */
export interface BiosPiece {
  readonly gpa: number;
  readonly bytes: Uint8Array;
  readonly name: string;
}

const COM1 = 0x3f8;
/** A colour display of 80 columns, an x87, one serial port. */
const EQUIPMENT = 0x0222;
const HAS_FLOPPY = 0x0001;
const FIRST_PLACE = 0x1e;
const PAST_LAST_PLACE = 0x3e;
const ENHANCED_KEYBOARD = 0x10;
const TEXT_SCREEN = { BYTES: 0x8000, BLANK: 0x0720 } as const;

/** The BIOS data area. */
function dataArea(drives: readonly Drive[]): Uint8Array {
  const bytes = new Uint8Array(BDA.BYTES);
  const view = new DataView(bytes.buffer);
  const word = (at: number, value: number) => view.setUint16(at - BDA.BASE, value, true);
  const byte = (at: number, value: number) => view.setUint8(at - BDA.BASE, value);
  word(BDA.SERIAL_PORTS, COM1);
  word(BDA.EBDA_SEGMENT, EBDA.BASE / 16);
  word(BDA.EQUIPMENT, EQUIPMENT | (drives.some(({ kind }) => kind === 'floppy') ? HAS_FLOPPY : 0));
  word(BDA.BASE_KIB, EBDA.BASE / 1024);
  word(BDA.KEY_HEAD, FIRST_PLACE);
  word(BDA.KEY_TAIL, FIRST_PLACE);
  word(BDA.KEY_BUFFER_START, FIRST_PLACE);
  word(BDA.KEY_BUFFER_END, PAST_LAST_PLACE);
  byte(BDA.KEYBOARD_STATUS, ENHANCED_KEYBOARD);
  byte(BDA.VIDEO_MODE, 3);
  word(BDA.COLUMNS, 80);
  word(BDA.PAGE_BYTES, 0x1000);
  word(BDA.CURSOR_SHAPE, 0x0d0e);
  word(BDA.CRTC_PORT, 0x3d4);
  byte(BDA.ROWS_LESS_ONE, 24);
  word(BDA.CHARACTER_HEIGHT, 16);
  byte(BDA.VIDEO_CONTROL, 0x60);
  byte(BDA.DISK_COUNT, drives.filter(({ kind }) => kind === 'hard-disk').length);
  return bytes;
}

function extendedDataArea(drives: readonly Drive[]): Uint8Array {
  const table = driveTable(drives);
  const bytes = new Uint8Array(EBDA.DRIVES - EBDA.BASE + table.length);
  bytes[0] = EBDA.KIB;
  bytes.set(table, EBDA.DRIVES - EBDA.BASE);
  return bytes;
}

/** The pieces, for a machine with these drives, in ascending order. */
export function biosPieces(drives: readonly Drive[]): BiosPiece[] {
  return [
    { gpa: VECTORS.BASE, bytes: vectorBytes(), name: 'BIOS: interrupt vectors' },
    { gpa: BDA.BASE, bytes: dataArea(drives), name: 'BIOS: data area' },
    { gpa: EBDA.BASE, bytes: extendedDataArea(drives), name: 'BIOS: extended data area' },
    {
      gpa: COLOUR_TEXT,
      bytes: new Uint8Array(new Uint16Array(TEXT_SCREEN.BYTES / 2).fill(TEXT_SCREEN.BLANK).buffer),
      name: 'BIOS: blank screen',
    },
    { gpa: ROM.BASE, bytes: romBytes(), name: 'BIOS: code' },
  ];
}

/** Whether guest memory holds this BIOS. */
export function hasBios(memory: GuestMemory): boolean {
  const code = romBytes();
  return memory.read(ROM.BASE, code.length).every((byte, at) => byte === code[at]);
}
