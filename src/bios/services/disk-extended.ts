/** INT 13h AH=41h and above: sectors by number (T13 1572D, "BIOS Enhanced Disk Drive", clause 4; El Torito, section 4). */
import { SECTOR_BYTES } from '../../disk/limits.ts';
import type { BiosCall } from '../call.ts';
import { type Drive, drivesOf, driveTable } from '../drives.ts';
import { EBDA } from '../layout.ts';
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
const EMULATION_PACKET_BYTES = 0x13;

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

/** Media of the El Torito packet by the sectors of a track; 0: nothing is emulated. */
const EMULATED_MEDIA: Readonly<Record<number, number>> = { 15: 1, 18: 2, 36: 3 };
/** Instead of a drive's number: whatever is emulated. */
const ANY_EMULATED = 0x7f;

/** The CD that was booted and, where it emulates a floppy, that; undefined where DL names neither. */
function bootedFrom({ memory, d }: BiosCall): { readonly cd: Drive; readonly floppy?: Drive | undefined } | undefined {
  const drives = drivesOf(memory);
  const [cd, floppy] = [drives.find(({ kind }) => kind === 'cd'), drives.find(({ emulated }) => emulated)];
  const isMeant = d.l === cd?.number || d.l === floppy?.number || (floppy && d.l === ANY_EMULATED);
  return cd && isMeant ? { cd, floppy } : undefined;
}

/** The El Torito packet (section 4, figure 7), which goes to DS:SI. */
function emulationPacket({ cd, floppy }: { readonly cd: Drive; readonly floppy?: Drive | undefined }): Uint8Array {
  const bytes = new Uint8Array(EMULATION_PACKET_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set([EMULATION_PACKET_BYTES, 0, cd.number]);
  if (!floppy?.emulated) return bytes;
  const { start, segment, loaded } = floppy.emulated;
  const { cylinders, heads, sectorsPerTrack } = floppy;
  bytes.set([EMULATED_MEDIA[sectorsPerTrack] ?? 0, floppy.number], 1);
  view.setUint32(4, (start * SECTOR_BYTES) / cd.sectorBytes, true);
  view.setUint16(12, segment, true);
  view.setUint16(14, loaded, true);
  bytes.set([cylinders - 1, sectorsPerTrack, heads - 1], 16); // as AH=08h gives them
  return bytes;
}

/** `ends`: the emulated floppy is no drive any more. */
const emulation =
  (ends: boolean): Service['run'] =>
  (call) => {
    const booted = bootedFrom(call);
    if (!booted) return finish(call, STATUS.BAD_CALL);
    call.memory.write(call.ds(call.si.x), emulationPacket(booted));
    if (ends && booted.floppy) call.memory.write(EBDA.DRIVES, driveTable([booted.cd]));
    finish(call, STATUS.OK);
  };

/** These services. */
export const EXTENDED: readonly ServiceRow[] = [
  [0x41, 'are extensions there', present],
  [0x42, 'read sectors by number', byNumber('read')],
  [0x43, 'write sectors by number', byNumber('write')],
  [0x44, 'verify sectors by number', byNumber('verify')],
  [0x47, 'seek by number', ready],
  [0x48, 'drive parameters by number', extendedParameters],
  [0x4b00, 'end emulation', emulation(true)],
  [0x4b01, 'emulation', emulation(false)],
];
