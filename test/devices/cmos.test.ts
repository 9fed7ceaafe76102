import { beforeEach, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/devices/bus.ts';
import { cmos } from '../../src/devices/cmos.ts';
import { decodeTime, encodeTime, TIME_REGISTERS } from '../../src/devices/rtc-time.ts';
import { type FakeHost, fakeHost, plugged } from './fake-host.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const STATUS_B = 0x0b;

let bus: Bus;
let host: FakeHost;
const get = (index: number) => {
  bus.portOut(0x70, 1, index);
  return bus.portIn(0x71, 1);
};
const put = (index: number, value: number) => {
  bus.portOut(0x70, 1, index);
  bus.portOut(0x71, 1, value);
};
const clock = () => [0x32, 9, 8, 7, 6, 4, 2, 0].map(get);

beforeEach(() => {
  ({ bus, host } = plugged([cmos()]));
});

describe('time', () => {
  test('BCD, 24 hours, after power-on', () => {
    expect(clock()).toEqual([0x20, 0x24, 0x02, 0x29, 5, 0x13, 0x05, 0x09]);
  });

  test('binary when status B says so', () => {
    put(STATUS_B, 0x06);
    expect(clock()).toEqual([20, 24, 2, 29, 5, 13, 5, 9]);
  });

  test.each([
    [0, 0x12, 12],
    [1, 0x01, 1],
    [11, 0x11, 11],
    [12, 0x92, 0x8c],
    [13, 0x81, 0x81],
    [23, 0x91, 0x8b],
  ])('%i hours on a 12-hour face', (hour, bcd, binary) => {
    host.time = Date.UTC(2000, 0, 1, hour);
    put(STATUS_B, 0x00);
    expect(get(4)).toBe(bcd);
    put(STATUS_B, 0x04);
    expect(get(4)).toBe(binary);
  });

  test('it follows the host', () => {
    host.time += 51_000;
    expect([get(2), get(0)]).toEqual([0x06, 0x00]);
  });

  test('no update is ever in progress, the battery is good, no interrupt is flagged', () => {
    put(0x0a, 0xa6);
    expect([get(0x0a), get(0x0c), get(0x0d)]).toEqual([0x26, 0, 0x80]);
    put(0x0c, 0xff);
    put(0x0d, 0);
    expect([get(0x0c), get(0x0d)]).toEqual([0, 0x80]);
  });

  test('the guest sets its clock: it stands meanwhile, then goes on from there', () => {
    put(STATUS_B, 0x82);
    host.time += 5_000;
    expect(get(0)).toBe(0x09);
    for (const [index, value] of [
      [0x32, 0x19],
      [9, 0x99],
      [8, 0x12],
      [7, 0x31],
      [4, 0x23],
      [2, 0x59],
      [0, 0x58],
    ] as const)
      put(index, value);
    put(STATUS_B, 0x02);
    expect(clock()).toEqual([0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x58]);
    host.time += 2_000;
    expect(clock()).toEqual([0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00]);
  });

  test('what the face shows decodes to the same second, in each format', () => {
    for (const statusB of [0x00, 0x02, 0x04, 0x06])
      for (let hour = 0; hour < 24 * 400; hour += 7) {
        const ms = Date.UTC(2023, 11, 30, hour, 59, 58);
        const face = new Uint8Array(128);
        for (const index of TIME_REGISTERS) face[index] = encodeTime(index, ms, statusB);
        expect(decodeTime(face, statusB)).toBe(ms);
      }
  });
});

describe('memory size', () => {
  const sizes = (ramBytes: number, lowRamBytes?: number) => {
    const sized = fakeHost();
    sized.ramBytes = ramBytes;
    if (lowRamBytes !== undefined) sized.lowRamBytes = lowRamBytes;
    ({ bus, host } = plugged([cmos()], sized));
    const at = (index: number, length: number) =>
      Array.from({ length }, (_, i) => get(index + i) * 256 ** i).reduce((a, b) => a + b);
    expect(at(0x17, 2)).toBe(at(0x30, 2));
    return { base: at(0x15, 2), extended: at(0x30, 2), above16M: at(0x34, 2), above4G: at(0x5b, 3) };
  };

  test.each([
    [1 * MIB, { base: 640, extended: 0, above16M: 0, above4G: 0 }],
    [16 * MIB, { base: 640, extended: 15 * KIB, above16M: 0, above4G: 0 }],
    [64 * MIB, { base: 640, extended: 63 * KIB, above16M: 768, above4G: 0 }],
    [65 * MIB, { base: 640, extended: 0xffff, above16M: 784, above4G: 0 }],
    [3 * GIB, { base: 640, extended: 0xffff, above16M: 0xbf00, above4G: 0 }],
    [8 * GIB, { base: 640, extended: 0xffff, above16M: 0xbf00, above4G: (5 * GIB) / (64 * KIB) }],
  ])('%i bytes', (ram, expected) => {
    expect(sizes(ram)).toEqual(expected);
  });

  test('the host may put the border elsewhere', () => {
    expect(sizes(4 * GIB, 2 * GIB)).toEqual({ base: 640, extended: 0xffff, above16M: 0x7f00, above4G: 0x8000 });
  });

  test('the guest cannot change its size', () => {
    put(0x35, 0xff);
    expect(get(0x35)).toBe(3);
  });

  test('processors besides the first', () => {
    const many = fakeHost();
    many.cpus = 4;
    ({ bus } = plugged([cmos()], many));
    expect(get(0x5f)).toBe(3);
  });
});

describe('memory', () => {
  test('the shutdown byte and all plain bytes read back', () => {
    for (const index of [0x0f, 0x10, 0x3d, 0x7f]) {
      expect(get(index)).toBe(0);
      put(index, index ^ 0xff);
      expect(get(index)).toBe(index ^ 0xff);
    }
  });

  test("the index's top bit is the NMI mask and selects nothing", () => {
    put(0x0f, 0x0a);
    expect(get(0x8f)).toBe(0x0a);
  });

  test('a 16-bit write selects and writes', () => {
    bus.portOut(0x70, 2, 0x550f);
    expect(get(0x0f)).toBe(0x55);
  });
});
