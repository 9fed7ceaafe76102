/** INT 13h: sectors of the drives, by cylinder, head and sector or by number (T13 1572D, "BIOS Enhanced Disk Drive"). */
import { drivesOf } from '../drives.ts';
import { ROM } from '../layout.ts';
import { DISKETTE_OFFSET } from '../rom.ts';
import { byFunction, type Interrupt, type Service } from '../service.ts';
import { EXTENDED } from './disk-extended.ts';
import { type Direction, finish, ofDrive, STATUS, statusAt, transfer } from './transfer.ts';

/** Most cylinders that fit into the ten bits of CH and CL. */
const MOST_CYLINDERS = 1024;
const DISKETTE_TYPES: Readonly<Record<number, number>> = { 15: 2, 9: 3, 18: 4, 36: 6 };

/** AL sectors from CH (cylinder), CL (sector, and the cylinder's upper bits) and DH (head), at ES:BX. */
const byCylinder = (direction: Direction) =>
  ofDrive((call, drive) => {
    const count = call.a.l;
    const cylinder = call.c.h | ((call.c.l & 0xc0) << 2);
    const sector = call.c.l & 0x3f;
    call.a.l = 0;
    if (count === 0 || sector === 0 || sector > drive.sectorsPerTrack || call.d.h >= drive.heads)
      return finish(call, STATUS.BAD_CALL);
    const first = (cylinder * drive.heads + call.d.h) * drive.sectorsPerTrack + sector - 1;
    const status = transfer(call, drive, direction, { first, count, address: call.es(call.b.x) });
    if (status === STATUS.OK) call.a.l = count;
    finish(call, status);
  });

const lastStatus: Service['run'] = (call) => {
  const status = call.byte(statusAt(call));
  call.a.h = status;
  call.carry = status !== STATUS.OK;
};

const parameters = ofDrive((call, drive) => {
  const drives = drivesOf(call.memory).filter(({ kind }) => kind === drive.kind);
  const cylinder = Math.min(drive.cylinders, MOST_CYLINDERS) - 1;
  call.c.h = cylinder;
  call.c.l = drive.sectorsPerTrack | ((cylinder >> 2) & 0xc0);
  call.d.h = drive.heads - 1;
  if (drive.kind === 'floppy') {
    call.b.x = DISKETTE_TYPES[drive.sectorsPerTrack] ?? 4;
    call.setEs(ROM.SEGMENT);
    call.di.x = DISKETTE_OFFSET;
  }
  finish(call, STATUS.OK);
  call.a.l = 0;
  call.d.l = drives.length;
});

/** AH: 1 a floppy whose change is not told, 3 a hard disk with its sectors in CX:DX; 0: there is none. */
const driveType: Service['run'] = (call) => {
  const drive = drivesOf(call.memory).find(({ number }) => number === call.d.l);
  call.carry = false;
  call.a.h = 0;
  if (!drive) return;
  if (drive.kind === 'floppy') {
    call.a.h = 1;
    return;
  }
  const sectors = Math.min(drive.sectors, 0xffff_ffff);
  call.a.h = 3;
  call.c.x = sectors / 0x1_0000;
  call.d.x = sectors & 0xffff;
};

const ready = ofDrive((call) => finish(call, STATUS.OK));

/** INT 13h. */
export const DISK: Interrupt = {
  services: byFunction([
    [0x00, 'reset drive', ready],
    [0x01, 'last status', lastStatus],
    [0x02, 'read sectors', byCylinder('read')],
    [0x03, 'write sectors', byCylinder('write')],
    [0x04, 'verify sectors', byCylinder('verify')],
    [0x08, 'drive parameters', parameters],
    [0x0c, 'seek', ready],
    [0x0d, 'reset hard disk', ready],
    [0x10, 'is drive ready', ready],
    [0x11, 'recalibrate', ready],
    [0x15, 'drive type', driveType],
    [0x16, 'was disk changed', ready],
    ...EXTENDED,
  ]),
  unserved: (call) => finish(call, STATUS.BAD_CALL),
  absent: [
    [0x05, 'tracks of this disk need no formatting'],
    [0x17, 'disks of this drive have one kind'],
    [0x18, 'disks of this drive have one kind'],
  ],
};
