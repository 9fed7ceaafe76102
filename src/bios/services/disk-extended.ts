/** INT 13h AH=41h and above: sectors by number (T13 1572D, "BIOS Enhanced Disk Drive", clause 4; El Torito, section 4). */
import type { BiosCall } from '../call.ts';
import type { Drive } from '../drives.ts';
import type { Service, ServiceRow } from '../service.ts';
import { type Direction, finish, ofDrive, STATUS, transfer } from './transfer.ts';

const SIGNATURE = 0x55aa;
const ANSWER = 0xaa55;
const VERSION_1 = 0x01;
/** Sectors by number, and the enhanced drive's parameters. */
const SUPPORTED = 0x01 | 0x04;
const PACKET_BYTES = 0x10;
const FLAT_PACKET_BYTES = 0x18;
const NOWHERE = 0xffff_ffff;
const PARAMETER_BYTES = 0x1a;
/** The shape in cylinders is valid. */
const HAS_SHAPE = 0x02;
const REMOVABLE = 0x04;
const MOST_SECTORS = 127;

const present = ofDrive((call) => {
  if (call.b.x !== SIGNATURE) return finish(call, STATUS.BAD_CALL);
  finish(call, STATUS.OK);
  call.b.x = ANSWER;
  call.a.h = VERSION_1;
  call.c.x = SUPPORTED;
});

/** Where the packet wants its sectors: segment and offset, or a flat address behind them. */
function bufferOf(call: BiosCall, packet: number): number {
  const far = call.dword(packet + 4);
  if (far === NOWHERE && call.byte(packet) >= FLAT_PACKET_BYTES) return Number(call.memory.readUint(packet + 16, 8));
  return (far >>> 16) * 16 + (far & 0xffff);
}

/** A packet at DS:SI. */
const byNumber = (direction: Direction) =>
  ofDrive((call, drive: Drive) => {
    const packet = call.ds(call.si.x);
    const count = call.word(packet + 2);
    if (call.byte(packet) < PACKET_BYTES || count > MOST_SECTORS) return finish(call, STATUS.BAD_CALL);
    const first = Number(call.memory.readUint(packet + 8, 8));
    const status = transfer(call, drive, direction, { first, count, address: bufferOf(call, packet) });
    if (status !== STATUS.OK) call.setWord(packet + 2, 0);
    finish(call, status);
  });

/** Fills the table at DS:SI, whose first word says how much of it there is room for. */
const extendedParameters = ofDrive((call, drive) => {
  const table = call.ds(call.si.x);
  if (call.word(table) < PARAMETER_BYTES) return finish(call, STATUS.BAD_CALL);
  const isCd = drive.kind === 'cd';
  call.setWord(table, PARAMETER_BYTES);
  call.setWord(table + 2, isCd ? REMOVABLE : HAS_SHAPE);
  [drive.cylinders, drive.heads, drive.sectorsPerTrack].forEach((value, i) => {
    call.setDword(table + 4 + 4 * i, isCd ? 0xffff_ffff : value);
  });
  call.memory.write(table + 16, new Uint8Array(BigUint64Array.of(BigInt(drive.sectors)).buffer));
  call.setWord(table + 24, drive.sectorBytes);
  finish(call, STATUS.OK);
});

const ready = ofDrive((call) => finish(call, STATUS.OK));

/** Fills the El Torito packet at DS:SI: a CD that was booted without emulation. */
const emulation: Service['run'] = ofDrive((call, drive) => {
  if (drive.kind !== 'cd') return finish(call, STATUS.BAD_CALL);
  const packet = call.ds(call.si.x);
  call.memory.write(packet, Uint8Array.of(0x13, 0, drive.number, ...new Uint8Array(16)));
  finish(call, STATUS.OK);
});

/** These services. */
export const EXTENDED: readonly ServiceRow[] = [
  [0x41, 'are extensions there', present],
  [0x42, 'read sectors by number', byNumber('read')],
  [0x43, 'write sectors by number', byNumber('write')],
  [0x44, 'verify sectors by number', byNumber('verify')],
  [0x47, 'seek by number', ready],
  [0x48, 'drive parameters by number', extendedParameters],
  [0x4b00, 'end emulation', emulation],
  [0x4b01, 'emulation', emulation],
];
