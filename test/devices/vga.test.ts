import { beforeEach, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/devices/bus.ts';
import { deviceRecords, upgradeRecords, VGA } from '../../src/devices/devices.ts';
import { vga, vgaRegisters } from '../../src/devices/vga.ts';
import { isGraphics, TEXT_MODE, VGA_SIZES } from '../../src/devices/vga-registers.ts';
import { plugged } from './fake-host.ts';

let bus: Bus;
let buffer: SharedArrayBuffer;
const out = (port: number, value: number) => bus.portOut(port, 1, value);
const read = (port: number) => bus.portIn(port, 1);
const record = () => deviceRecords([VGA], buffer).get('vga')!;
const registers = () => vgaRegisters(VGA, record());

/** Writes a whole register file through its index and data ports. */
const fill = (port: number, values: Uint8Array) =>
  values.forEach((value, index) => {
    bus.portOut(port, 2, index | (value << 8));
  });
const dump = (port: number, count: number) =>
  Uint8Array.from({ length: count }, (_, index) => {
    out(port, index);
    return read(port + 1);
  });

beforeEach(() => {
  ({ bus, buffer } = plugged([vga()]));
});

describe('at power-on', () => {
  test('mode 3, as a BIOS leaves it', () => {
    expect(registers()).toEqual(TEXT_MODE);
    expect(read(0x3cc)).toBe(0x67);
    expect(dump(0x3d4, VGA_SIZES.CRTC)).toEqual(TEXT_MODE.crtc);
    expect(dump(0x3c4, VGA_SIZES.SEQUENCER)).toEqual(TEXT_MODE.sequencer);
    expect(dump(0x3ce, VGA_SIZES.GRAPHICS)).toEqual(TEXT_MODE.graphics);
  });
});

describe('index and data', () => {
  test('the cursor reads back, written with 16 bits or with 8', () => {
    bus.portOut(0x3d4, 2, 0x070e);
    bus.portOut(0x3d4, 2, 0xcf0f);
    expect([read(0x3d4), read(0x3d5)]).toEqual([0x0f, 0xcf]);
    out(0x3d4, 0x0e);
    expect(read(0x3d5)).toBe(0x07);
    expect([...registers().crtc.subarray(0x0e, 0x10)]).toEqual([0x07, 0xcf]);
  });

  test.each([0x3d4, 0x3c4, 0x3ce])('registers that do not exist behind port %i read 0 and keep nothing', (port) => {
    bus.portOut(port, 2, 0xff80);
    expect([read(port), read(port + 1)]).toEqual([0x80, 0]);
  });

  test('bit 7 of register 0x11 protects the timing, but for one bit of the overflow register', () => {
    const before = TEXT_MODE.crtc.slice(0, 8);
    expect(TEXT_MODE.crtc[0x11]! & 0x80).toBe(0x80);
    fill(0x3d4, new Uint8Array(8));
    expect(dump(0x3d4, 8)).toEqual(before.with(7, before[7]! & ~0x10));
    bus.portOut(0x3d4, 2, 0x0e11);
    fill(0x3d4, new Uint8Array(8));
    expect(dump(0x3d4, 8)).toEqual(new Uint8Array(8));
  });
});

describe('attribute controller', () => {
  test('one port takes index and data in turn, until status is read', () => {
    read(0x3da);
    out(0x3c0, 0x10);
    out(0x3c0, 0x04);
    expect(registers().attributes[0x10]).toBe(0x04);
    out(0x3c0, 0x01);
    read(0x3da);
    out(0x3c0, 0x02);
    out(0x3c0, 0xff);
    expect([...registers().attributes.subarray(1, 3)]).toEqual([0x01, 0x3f]);
    expect([read(0x3c0), read(0x3c1)]).toEqual([0x02, 0x3f]);
  });

  test('the bit that shows the picture is part of the index', () => {
    read(0x3da);
    out(0x3c0, 0x20);
    expect(read(0x3c0)).toBe(0x20);
  });
});

describe('colours', () => {
  test('three levels of six bits for each number, which goes on by itself', () => {
    out(0x3c8, 255);
    for (const level of [0x3f, 0xff, 0x01, 0x11, 0x12, 0x13]) out(0x3c9, level);
    expect([...registers().dac.subarray(765)]).toEqual([0x3f, 0x3f, 0x01]);
    expect([...registers().dac.subarray(0, 3)]).toEqual([0x11, 0x12, 0x13]);
    expect([read(0x3c8), read(0x3c7)]).toEqual([1, 0]);
    out(0x3c7, 255);
    expect([read(0x3c9), read(0x3c9), read(0x3c9), read(0x3c9)]).toEqual([0x3f, 0x3f, 0x01, 0x11]);
    expect(read(0x3c7)).toBe(3);
    out(0x3c6, 0x0f);
    expect(read(0x3c6)).toBe(0x0f);
  });
});

describe('status', () => {
  test('a guest that waits for the retrace, or for its end, does not wait for long', () => {
    const seen = [read(0x3da), read(0x3da), read(0x3da)].map((status) => status & 0x09);
    expect(seen).toEqual([9, 0, 9]);
    expect(read(0x3c2)).toBe(0x10);
  });
});

describe('monochrome', () => {
  test('bit 0 of miscellaneous output moves the CRT controller and status to 0x3b4', () => {
    expect([read(0x3b4), read(0x3b5), read(0x3ba)]).toEqual([0xff, 0xff, 0xff]);
    bus.portOut(0x3b4, 2, 0x550f);
    expect(registers().crtc[0x0f]).toBe(0);
    out(0x3c2, 0x66);
    bus.portOut(0x3b4, 2, 0x550f);
    expect(read(0x3b5)).toBe(0x55);
    expect(read(0x3ba) & 0x09).toBe(9);
    expect([read(0x3d4), read(0x3d5), read(0x3da)]).toEqual([0xff, 0xff, 0xff]);
    out(0x3da, 1);
    expect(read(0x3ca)).toBe(0);
  });
});

describe('graphics', () => {
  const GRAPHICS_SET = () => record()[VGA.fields.graphicsSet![0]];

  test('is noticed by either bit that sets it, and remembered when text is back', () => {
    expect(isGraphics(registers())).toBe(false);
    bus.portOut(0x3ce, 2, 0x0506);
    expect([isGraphics(registers()), GRAPHICS_SET()]).toEqual([true, 1]);
    bus.portOut(0x3ce, 2, 0x0e06);
    expect([isGraphics(registers()), GRAPHICS_SET()]).toEqual([false, 1]);
  });

  test('text mode set anew is none', () => {
    out(0x3c2, 0x67);
    bus.portOut(0x3d4, 2, 0x0e11);
    fill(0x3d4, TEXT_MODE.crtc);
    fill(0x3c4, TEXT_MODE.sequencer);
    fill(0x3ce, TEXT_MODE.graphics);
    read(0x3da);
    TEXT_MODE.attributes.forEach((value, index) => {
      out(0x3c0, index);
      out(0x3c0, value);
    });
    out(0x3c0, 0x20);
    expect(registers()).toEqual(TEXT_MODE);
    expect(GRAPHICS_SET()).toBe(0);
  });
});

describe('a record of version 0.1, which had the CRT controller alone', () => {
  test('begins the new one; the rest is as at power-on', () => {
    const old = Uint8Array.from({ length: 26 }, (_, i) => i + 1);
    const upgraded = upgradeRecords([['vga-crtc', old]]);
    expect([...upgraded.keys()]).toEqual(['vga']);
    const { crtc, ...rest } = vgaRegisters(VGA, upgraded.get('vga')!);
    expect(crtc).toEqual(old.subarray(1));
    const { crtc: _, ...powerOn } = TEXT_MODE;
    expect(rest).toEqual(powerOn);
  });

  test('and all of it 0 but for what the guest wrote: registers that it never wrote are as at power-on', () => {
    const old = new Uint8Array(26);
    old.set([0x07, 0xcf], 1 + 0x0e);
    const { crtc } = vgaRegisters(VGA, upgradeRecords([['vga-crtc', old]]).get('vga')!);
    expect(crtc).toEqual(TEXT_MODE.crtc.with(0x0e, 0x07).with(0x0f, 0xcf));
  });

  test('of another size, or beside a new one, is left for the comparison with this machine', () => {
    expect([...upgradeRecords([['vga-crtc', new Uint8Array(25)]]).keys()]).toEqual(['vga-crtc']);
    const both = upgradeRecords([
      ['vga', new Uint8Array(VGA.stateBytes)],
      ['vga-crtc', new Uint8Array(26)],
    ]);
    expect([...both.keys()]).toEqual(['vga', 'vga-crtc']);
  });
});
