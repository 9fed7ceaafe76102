import { describe, expect, it } from 'vitest';
import { DEVICE_SPECS, deviceRecords, VGA } from '../../src/devices/devices.ts';
import { vgaRegisters } from '../../src/devices/vga.ts';
import { CRTC, TEXT_MODE } from '../../src/devices/vga-registers.ts';
import { Caller } from './caller.ts';

const registers = (bios: Caller) => vgaRegisters(VGA, deviceRecords(DEVICE_SPECS, bios.bus.buffer).get(VGA.name)!);
const print = (bios: Caller, text: string) => {
  for (const byte of Buffer.from(text, 'latin1')) bios.int(0x10, { ax: 0x0e00 | byte });
};
const cursor = (bios: Caller) => bios.int(0x10, { ax: 0x0300 }).dx;

describe('INT 10h', () => {
  it('prints as a teletype does, on the screen and to those who see no screen', () => {
    using bios = new Caller();
    print(bios, 'Hello\r\nworlb\bd');
    expect([bios.row(0), bios.row(1)]).toEqual(['Hello', 'world']);
    expect(cursor(bios)).toBe(0x0105);
    expect(bios.printed).toBe('Hello\r\nworlb\bd');
    const { crtc } = registers(bios);
    expect(crtc[CRTC.CURSOR_LOW]).toBe(85);
    expect(bios.memory.readUint(0xb_8001, 1)).toBe(7n);
  });

  it('goes on in the next row behind the last column, and scrolls behind the last row', () => {
    using bios = new Caller();
    print(bios, 'x'.repeat(81));
    expect(cursor(bios)).toBe(0x0101);
    print(bios, `${'\r\n'.repeat(23)}last`);
    expect(bios.row(24)).toBe('last');
    print(bios, '\r\nnext');
    expect([bios.row(23), bios.row(24)]).toEqual(['last', 'next']);
    expect(cursor(bios)).toBe(0x1804);
  });

  it('writes characters where the cursor is, with and without a colour', () => {
    using bios = new Caller();
    bios.int(0x10, { ax: 0x0200, dx: 0x0510 });
    bios.int(0x10, { ax: 0x0941, bx: 0x001e, cx: 3 });
    bios.int(0x10, { ax: 0x0a42, cx: 1 });
    expect(bios.row(5)).toBe(`${' '.repeat(16)}BAA`);
    expect(bios.int(0x10, { ax: 0x0800 }).ax).toBe(0x1e42);
    expect(cursor(bios)).toBe(0x0510);
  });

  it('ends a line for those who see no screen when the cursor goes to the start of a lower row', () => {
    using bios = new Caller();
    bios.int(0x10, { ax: 0x0941, bx: 7, cx: 1 });
    bios.int(0x10, { ax: 0x0200, dx: 0x0001 });
    bios.int(0x10, { ax: 0x0200, dx: 0x0100 });
    bios.int(0x10, { ax: 0x0942, bx: 7, cx: 80 });
    expect(bios.printed).toBe('A\r\n');
  });

  it('scrolls a window up and down, and clears it', () => {
    using bios = new Caller();
    print(bios, 'one\r\ntwo\r\nsix');
    bios.int(0x10, { ax: 0x0601, bx: 0x0700, cx: 0x0000, dx: 0x0201 });
    expect([bios.row(0), bios.row(1), bios.row(2)]).toEqual(['twe', 'sio', '  x']);
    bios.int(0x10, { ax: 0x0701, bx: 0x0700, cx: 0x0000, dx: 0x0201 });
    expect([bios.row(0), bios.row(1), bios.row(2)]).toEqual(['  e', 'two', 'six']);
    bios.int(0x10, { ax: 0x0600, bx: 0x1700, cx: 0x0000, dx: 0x184f });
    expect([bios.row(0), bios.row(1), bios.row(2)]).toEqual(['', '', '']);
    expect(bios.memory.readUint(0xb_8001, 1)).toBe(0x17n);
  });

  it('writes strings, with the cursor behind them or where it was', () => {
    using bios = new Caller();
    bios.memory.write(0x2_0100, Buffer.from('string'));
    bios.int(0x10, { ax: 0x1301, bx: 0x004f, cx: 6, dx: 0x0203, es: 0x2000, bp: 0x100 });
    expect(bios.row(2)).toBe('   string');
    expect(cursor(bios)).toBe(0x0209);
    bios.memory.write(0x2_0100, Uint8Array.of(0x41, 0x1f, 0x42, 0x2f));
    bios.int(0x10, { ax: 0x1302, cx: 2, dx: 0x0400, es: 0x2000, bp: 0x100 });
    expect(bios.row(4)).toBe('AB');
    expect(bios.memory.readUint(0xb_8000 + 4 * 160 + 3, 1)).toBe(0x2fn);
    expect(cursor(bios)).toBe(0x0209);
    expect(bios.printed).toBe('stringAB');
  });

  it('has pages, each with its cursor', () => {
    using bios = new Caller();
    bios.int(0x10, { ax: 0x0200, bx: 0x0100, dx: 0x0a0b });
    expect(cursor(bios)).toBe(0);
    bios.int(0x10, { ax: 0x0501 });
    expect(registers(bios).crtc.subarray(CRTC.START_HIGH, CRTC.START_LOW + 1)).toEqual(Uint8Array.of(8, 0));
    print(bios, 'there');
    expect(bios.memory.readUint(0xb_9000 + (10 * 80 + 11) * 2, 1)).toBe(BigInt('t'.charCodeAt(0)));
    expect(bios.int(0x10, { ax: 0x0f00 })).toMatchObject({ ax: 0x5003, bx: 0x0100 });
  });

  it('sets the text modes, and clears the screen unless asked not to', () => {
    using bios = new Caller();
    print(bios, 'stays');
    bios.int(0x10, { ax: 0x0083 });
    expect(bios.row(0)).toBe('stays');
    bios.int(0x10, { ax: 0x0001 });
    expect(bios.row(0)).toBe('');
    expect(bios.int(0x10, { ax: 0x0f00 }).ax).toBe(0x2801);
    expect(registers(bios).crtc[CRTC.COLUMNS_LESS_ONE]).toBe(39);
    bios.int(0x10, { ax: 0x0007 });
    print(bios, 'mono');
    expect(bios.memory.readUint(0xb_0000, 1)).toBe(BigInt('m'.charCodeAt(0)));
    bios.int(0x10, { ax: 0x0003 });
    expect(registers(bios)).toEqual(TEXT_MODE);
  });

  it('refuses graphics modes with a sentence', () => {
    using bios = new Caller();
    bios.int(0x10, { ax: 0x0013 });
    expect(bios.int(0x10, { ax: 0x0f00 }).ax).toBe(0x5003);
    expect(bios.int(0x10, { ax: 0x4f00 }).ax).toBe(0x4f00);
    expect(bios.notes).toEqual([
      'mode 19: INT 10h AX=0013h: this display shows text alone, so the mode stays',
      'int 16 79: INT 10h AX=4F00h: this machine has no VESA graphics',
    ]);
  });

  it('has 50 rows of low characters', () => {
    using bios = new Caller();
    bios.int(0x10, { ax: 0x1112 });
    expect(bios.int(0x10, { ax: 0x1130 }).dx & 0xff).toBe(49);
    print(bios, `${'\n'.repeat(49)}\rbottom`);
    expect(bios.row(49)).toBe('bottom');
    expect(registers(bios).crtc[CRTC.CHARACTER_HEIGHT]! & 0x1f).toBe(7);
  });

  it('sets colours and tells what display there is', () => {
    using bios = new Caller();
    bios.int(0x10, { ax: 0x1010, bx: 1, dx: 0x3f00, cx: 0x0102 });
    expect(registers(bios).dac.subarray(3, 6)).toEqual(Uint8Array.of(0x3f, 1, 2));
    expect(bios.int(0x10, { ax: 0x1015, bx: 1 })).toMatchObject({ dx: 0x3f00, cx: 0x0102 });
    bios.int(0x10, { ax: 0x1003, bx: 0 });
    expect(registers(bios).attributes[0x10]! & 0x08).toBe(0);
    expect(bios.int(0x10, { ax: 0x1a00 })).toMatchObject({ bx: 0x0008 });
    expect(bios.int(0x10, { ax: 0x1200, bx: 0x10 }).bx).toBe(3);
  });
});
