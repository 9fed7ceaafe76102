/** What all services of INT 13h share: the drive that DL names, the status they end with, and the moving of sectors. */
import { SECTOR_BYTES } from '../../disk/limits.ts';
import { DiskError } from '../../errors.ts';
import type { BiosCall } from '../call.ts';
import { type Drive, drivesOf } from '../drives.ts';
import { BDA } from '../layout.ts';
import type { Service } from '../service.ts';

/** Status in AH. */
export const STATUS = {
  OK: 0x00,
  BAD_CALL: 0x01,
  WRITE_PROTECTED: 0x03,
  NOT_FOUND: 0x04,
  BAD_MEMORY: 0x09,
  READ_ERROR: 0x10,
  NO_ANSWER: 0x80,
} as const;

const FIRST_HARD_DISK = 0x80;

/** Where the last status of the drive's kind is kept. */
export const statusAt = (call: BiosCall) => (call.d.l >= FIRST_HARD_DISK ? BDA.DISK_STATUS : BDA.FLOPPY_STATUS);

/** Ends a call with a status: carry if it is not OK. */
export function finish(call: BiosCall, status: number): void {
  call.setByte(statusAt(call), status);
  call.a.h = status;
  call.carry = status !== STATUS.OK;
}

/** A service of one drive; where DL names none it fails. */
export const ofDrive =
  (run: (call: BiosCall, drive: Drive) => void): Service['run'] =>
  (call) => {
    const drive = drivesOf(call.memory).find(({ number }) => number === call.d.l);
    if (drive) run(call, drive);
    else finish(call, STATUS.BAD_CALL);
  };

/** What a transfer does with sectors. */
export type Direction = 'read' | 'write' | 'verify';

/** Moves sectors between a drive and guest memory. Returns the status; says why where the user should know. */
export function transfer(
  call: BiosCall,
  drive: Drive,
  direction: Direction,
  { first, count, address }: { readonly first: number; readonly count: number; readonly address: number },
): number {
  if (first + count > drive.sectors) return STATUS.NOT_FOUND;
  const length = count * drive.sectorBytes;
  if (direction !== 'verify' && !call.memory.find(address, length)) return STATUS.BAD_MEMORY;
  try {
    const disk = call.host.disk(drive.disk);
    if (!disk) return STATUS.NO_ANSWER;
    const offset = first * drive.sectorBytes + (drive.emulated?.start ?? 0) * SECTOR_BYTES;
    if (direction === 'write') {
      if (disk.readOnly) return STATUS.WRITE_PROTECTED;
      disk.write(offset, call.memory.read(address, length));
      return STATUS.OK;
    }
    const bytes = new Uint8Array(length);
    disk.read(offset, bytes);
    if (direction === 'read') call.memory.write(address, bytes);
    return STATUS.OK;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    call.host.note(`disk ${error.code}`, `INT 13h: ${error.message}`);
    return STATUS.READ_ERROR;
  }
}
