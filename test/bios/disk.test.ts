import { describe, expect, it } from 'vitest';
import { driveOf } from '../../loaders/disk/shape.ts';
import type { Drive } from '../../src/bios/drives.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { DiskError } from '../../src/errors.ts';
import { Caller } from './caller.ts';

/** A disk whose bytes say which sector they are of; `written` has what was written by sector. */
function numbered(bytes: number, readOnly = false) {
  const written = new Map<number, number>();
  const disk: Disk = {
    bytes,
    readOnly,
    read(offset, into) {
      if (offset === 7 * 512) throw new DiskError('EIO', 'disk.img: reading at byte 3584: EIO', 5);
      for (let at = 0; at < into.length; at++) into[at] = Math.floor((offset + at) / 512) & 0xff;
    },
    write(offset, data) {
      for (let at = 0; at < data.length; at += 512) written.set((offset + at) / 512, data[at]!);
    },
  };
  return { disk, written };
}

const FLOPPY = 1440 * 1024;
const FIVE_GB = 5 * 2 ** 30;
const empty = new Uint8Array(512);

function withDisk(bytes: number, readOnly = false) {
  const { disk, written } = numbered(bytes, readOnly);
  return { bios: new Caller([driveOf(bytes, empty)], [disk]), written };
}

const firstByte = (bios: Caller, at: number) => bios.memory.read(at, 1)[0];

describe('INT 13h on a floppy', () => {
  it('reads by cylinder, head and sector', () => {
    using bios = withDisk(FLOPPY).bios;
    const left = bios.int(0x13, { ax: 0x0202, cx: 0x0102, dx: 0x0100, es: 0x1000, bx: 0x200 });
    expect(left).toMatchObject({ ax: 0x0002, carry: false });
    const sector = (1 * 2 + 1) * 18 + 1;
    expect(firstByte(bios, 0x1_0200)).toBe(sector);
    expect(firstByte(bios, 0x1_0400)).toBe(sector + 1);
    expect(bios.int(0x13, { ax: 0x0100 })).toMatchObject({ ax: 0x0000, carry: false });
  });

  it('writes, unless the disk is read-only', () => {
    const { bios, written } = withDisk(FLOPPY);
    using _ = bios;
    bios.memory.write(0x9000, new Uint8Array(512).fill(0x77));
    expect(bios.int(0x13, { ax: 0x0301, cx: 0x0005, bx: 0x9000 }).carry).toBe(false);
    expect([...written]).toEqual([[4, 0x77]]);
    using fixed = withDisk(FLOPPY, true).bios;
    expect(fixed.int(0x13, { ax: 0x0301, cx: 0x0005, bx: 0x9000 })).toMatchObject({ ax: 0x0300, carry: true });
  });

  it('tells its shape', () => {
    using bios = withDisk(FLOPPY).bios;
    const left = bios.int(0x13, { ax: 0x0800 });
    expect(left).toMatchObject({ bx: 4, cx: 0x4f12, dx: 0x0101, es: 0xf000, carry: false });
    expect(bios.memory.readUint(0xf_0000 + left.di + 4, 1)).toBe(18n);
    expect(bios.int(0x13, { ax: 0x1500 })).toMatchObject({ ax: 0x0100, carry: false });
    expect(bios.int(0x11).ax & 1).toBe(1);
  });

  it.each([
    ['no such drive', { ax: 0x0201, cx: 1, dx: 0x81 }, 0x01],
    ['sector 0', { ax: 0x0201, cx: 0 }, 0x01],
    ['a sector behind the track', { ax: 0x0201, cx: 19 }, 0x01],
    ['a head too many', { ax: 0x0201, cx: 1, dx: 0x0200 }, 0x01],
    ['no sectors', { ax: 0x0200, cx: 1 }, 0x01],
    ['a cylinder behind the disk', { ax: 0x0201, cx: 0x5001 }, 0x04],
    ['an error of the host', { ax: 0x0201, cx: 8 }, 0x10],
    ['a function that is not there', { ax: 0x0500 }, 0x01],
  ])('%s is a status', (_what, given, status) => {
    using bios = withDisk(FLOPPY).bios;
    const left = bios.int(0x13, { bx: 0x8000, ...given });
    expect([left.ax >> 8, left.carry]).toEqual([status, true]);
    expect(bios.int(0x13, { ax: 0x0100, dx: 'dx' in given ? given.dx : 0 }).ax >> 8).toBe(status);
  });

  it('says what the host could not read', () => {
    using bios = withDisk(FLOPPY).bios;
    bios.int(0x13, { ax: 0x0201, cx: 8, bx: 0x8000 });
    expect(bios.notes).toEqual(['disk EIO: INT 13h: disk.img: reading at byte 3584: EIO']);
  });
});

describe('INT 13h on a hard disk', () => {
  const packet = (count: number, first: number, address: number, flat?: number) => {
    const bytes = new Uint8Array(flat === undefined ? 16 : 24);
    const view = new DataView(bytes.buffer);
    bytes[0] = bytes.length;
    view.setUint16(2, count, true);
    view.setUint32(4, address, true);
    view.setBigUint64(8, BigInt(first), true);
    if (flat !== undefined) view.setBigUint64(16, BigInt(flat), true);
    return bytes;
  };

  it('reads and writes by number, also behind 4 GB, and to flat addresses', () => {
    const { bios, written } = withDisk(FIVE_GB);
    using _ = bios;
    expect(bios.int(0x13, { ax: 0x4100, bx: 0x55aa, dx: 0x80 })).toMatchObject({
      ax: 0x0100,
      bx: 0xaa55,
      cx: 5,
      carry: false,
    });
    const last = FIVE_GB / 512 - 1;
    bios.memory.write(0x6000, packet(1, last, 0x2000_0010));
    expect(bios.int(0x13, { ax: 0x4200, dx: 0x80, ds: 0x600 })).toMatchObject({ carry: false });
    expect(firstByte(bios, 0x2_0010)).toBe(last & 0xff);
    bios.memory.write(0x6000, packet(2, 100, 0xffff_ffff, 0x12_3456));
    expect(bios.int(0x13, { ax: 0x4200, dx: 0x80, ds: 0x600 }).carry).toBe(false);
    expect(firstByte(bios, 0x12_3456 + 512)).toBe(101);
    bios.memory.write(0x6000, packet(1, 9, 0x2000_0010));
    expect(bios.int(0x13, { ax: 0x4300, dx: 0x80, ds: 0x600 }).carry).toBe(false);
    expect([...written]).toEqual([[9, last & 0xff]]);
  });

  it('moves nothing from behind its end, or to where no memory is', () => {
    using bios = withDisk(FIVE_GB).bios;
    bios.memory.write(0x6000, packet(2, FIVE_GB / 512 - 1, 0x8000));
    expect(bios.int(0x13, { ax: 0x4200, dx: 0x80, ds: 0x600 })).toMatchObject({ ax: 0x0400, carry: true });
    expect(bios.memory.readUint(0x6002, 2)).toBe(0n);
    bios.memory.write(0x6000, packet(1, 0, 0xffff_ffff, 2 ** 40));
    expect(bios.int(0x13, { ax: 0x4200, dx: 0x80, ds: 0x600 })).toMatchObject({ ax: 0x0900, carry: true });
  });

  it('tells its shape and its size', () => {
    using bios = withDisk(FIVE_GB).bios;
    expect(bios.int(0x13, { ax: 0x0800, dx: 0x80 })).toMatchObject({ cx: 0x8bbf, dx: 0xfe01, carry: false });
    expect(bios.int(0x13, { ax: 0x1500, dx: 0x80 })).toMatchObject({ ax: 0x0300, cx: 0xa0, dx: 0 });
    bios.memory.write(0x6000, Uint8Array.of(0x1a, 0));
    expect(bios.int(0x13, { ax: 0x4800, dx: 0x80, ds: 0x600 })).toMatchObject({ ax: 0, carry: false });
    expect(bios.memory.readUint(0x6010, 8)).toBe(BigInt(FIVE_GB / 512));
    expect(bios.memory.readUint(0x6018, 2)).toBe(512n);
    expect(bios.memory.readUint(0x475, 1)).toBe(1n);
  });

  it('answers nothing where the machine has lost its disk', () => {
    using bios = new Caller([driveOf(FIVE_GB, empty)]);
    expect(bios.int(0x13, { ax: 0x0201, cx: 1, dx: 0x80, bx: 0x8000 })).toMatchObject({ ax: 0x8000, carry: true });
  });
});

describe('INT 13h on a CD', () => {
  const CD: Drive = { ...driveOf(64 * 2048, empty), number: 0xe0, kind: 'cd', sectorBytes: 2048, sectors: 64 };

  it('has sectors of 2048 bytes, and says that nothing is emulated', () => {
    using bios = new Caller([CD], [numbered(64 * 2048).disk]);
    bios.memory.write(0x6000, Uint8Array.of(16, 0, 1, 0, 0, 0x80, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0));
    expect(bios.int(0x13, { ax: 0x4200, dx: 0xe0, ds: 0x600 }).carry).toBe(false);
    expect(firstByte(bios, 0x8000)).toBe(12);
    expect(bios.int(0x13, { ax: 0x4b01, dx: 0xe0, ds: 0x700 })).toMatchObject({ carry: false });
    expect([...bios.memory.read(0x7000, 3)]).toEqual([0x13, 0, 0xe0]);
  });

  const FLOPPY: Drive = { ...driveOf(1440 * 1024, empty), emulated: { start: 40, segment: 0x7c0, loaded: 1 } };
  /** A CD on which a floppy begins at its sector 10. */
  const withFloppy = () => {
    const { disk, written } = numbered(2 * 2 ** 20);
    return { bios: new Caller([FLOPPY, { ...CD, sectors: 1024 }], [disk]), written };
  };

  it('has the floppy that it was booted as, at its place', () => {
    using bios = withFloppy().bios;
    expect(bios.int(0x13, { ax: 0x0800, dx: 0 })).toMatchObject({ cx: 0x4f12, dx: 0x0101, carry: false });
    expect(bios.int(0x13, { ax: 0x0201, cx: 0x0103, dx: 0x0100, bx: 0x8000 }).carry).toBe(false);
    expect(firstByte(bios, 0x8000)).toBe(40 + (1 * 2 + 1) * 18 + 2);
    expect(bios.int(0x13, { ax: 0x0201, cx: 0x5001, dx: 0, bx: 0x8000 }), 'cylinder 80').toMatchObject({ carry: true });
    bios.memory.write(0x6000, Uint8Array.of(16, 0, 1, 0, 0, 0x80, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0));
    expect(bios.int(0x13, { ax: 0x4200, dx: 0xe0, ds: 0x600 }).carry).toBe(false);
    expect(firstByte(bios, 0x8000), 'the CD itself').toBe(40);
  });

  it('tells what is emulated, by either number, and ends it', () => {
    using bios = withFloppy().bios;
    for (const dx of [0, 0xe0, 0x7f]) {
      bios.memory.write(0x6800, new Uint8Array(19));
      expect(bios.int(0x13, { ax: 0x4b01, dx, ds: 0x680 })).toMatchObject({ carry: false });
      const [size, media, drive, , ...rest] = bios.memory.read(0x6800, 19);
      expect([size, media, drive]).toEqual([0x13, 2, 0]);
      expect(rest).toEqual([10, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0x07, 1, 0, 79, 18, 1]);
    }
    expect(bios.int(0x13, { ax: 0x4b01, dx: 0x80, ds: 0x680 }).carry).toBe(true);
    expect(bios.int(0x13, { ax: 0x4b00, dx: 0x7f, ds: 0x680 })).toMatchObject({ carry: false });
    expect(bios.int(0x13, { ax: 0x0201, cx: 1, dx: 0, bx: 0x8000 }).carry, 'no floppy any more').toBe(true);
    expect(bios.int(0x13, { ax: 0x4b01, dx: 0xe0, ds: 0x680 }).carry).toBe(false);
    expect([...bios.memory.read(0x6800, 3)]).toEqual([0x13, 0, 0xe0]);
  });
});
