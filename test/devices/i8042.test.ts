import { beforeEach, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/devices/bus.ts';
import { I8042, upgradeRecords } from '../../src/devices/devices.ts';
import { type I8042 as Controller, i8042 } from '../../src/devices/i8042.ts';
import { isPrefix, toSet2 } from '../../src/devices/scan-codes.ts';
import { type FakeHost, plugged } from './fake-host.ts';

let bus: Bus;
let host: FakeHost;
let device: Controller;
const command = (value: number) => bus.portOut(0x64, 1, value);
const data = (value: number) => bus.portOut(0x60, 1, value);
const status = () => bus.portIn(0x64, 1);
const read = () => bus.portIn(0x60, 1);
const full = () => (status() & 1) === 1;

beforeEach(() => {
  const { devices, ...rest } = plugged([i8042()]);
  ({ bus, host } = rest);
  device = devices[0] as Controller;
});

describe('commands', () => {
  test('at power-on: nothing waits, tests passed, not locked', () => {
    expect(status()).toBe(0x14);
  });

  test('the configuration byte reads back as written', () => {
    command(0x20);
    expect(full()).toBe(true);
    expect(read()).toBe(0x45);
    expect(full()).toBe(false);
    command(0x60);
    data(0x31);
    command(0x20);
    expect(read()).toBe(0x31);
    expect(status() & 0x04).toBe(0);
  });

  test('the status tells whether a command or data was written last', () => {
    command(0xad);
    expect(status() & 8).toBe(8);
    data(0xed);
    expect(status() & 8).toBe(0);
  });

  test.each([
    [0xaa, 0x55, 'self test passed'],
    [0xab, 0x00, 'the keyboard line works'],
    [0xa9, 0x01, 'no mouse line'],
    [0xc0, 0x80, 'input port: keyboard not locked'],
    [0xd0, 0x03, 'output port: no reset, A20 on'],
  ])('command %i answers %i: %s', (value, expected) => {
    command(value);
    expect(full()).toBe(true);
    expect(read()).toBe(expected);
    expect(full()).toBe(false);
  });

  test.each([
    [0xad, 0xae, 0x10],
    [0xa7, 0xa8, 0x20],
  ])('commands %i and %i set and clear bit %i of the configuration', (off, on, bit) => {
    const config = () => {
      command(0x20);
      return read();
    };
    command(off);
    expect(config() & bit).toBe(bit);
    command(on);
    expect(config() & bit).toBe(0);
  });

  test('the output port carries the A20 gate', () => {
    command(0xd1);
    data(0x01);
    command(0xd0);
    expect(read()).toBe(0x01);
  });

  test('a byte written to the output buffer comes back', () => {
    command(0xd2);
    data(0x7a);
    expect(read()).toBe(0x7a);
  });

  test('an unknown command is swallowed', () => {
    expect(command(0x99)).toBe(undefined);
    expect(full()).toBe(false);
  });

  test('a new command forgets the parameter that another waited for', () => {
    command(0x60);
    command(0x20);
    expect(read()).toBe(0x45);
    data(0x00);
    read();
    command(0x20);
    expect(read()).toBe(0x45);
  });
});

describe('the keyboard', () => {
  /** All bytes that wait. */
  const drain = () => {
    const seen: number[] = [];
    while (full() && seen.length < 100) seen.push(read());
    return seen;
  };
  const asked = (...bytes: number[]) => {
    for (const byte of bytes) data(byte);
    return drain();
  };

  test.each([
    ['reset: acknowledged, and its test passed', [0xff], [0xfa, 0xaa]],
    ['lamps', [0xed, 0x07], [0xfa, 0xfa]],
    ['echo', [0xee], [0xee]],
    ['repeat rate', [0xf3, 0x20], [0xfa, 0xfa]],
    ['on', [0xf4], [0xfa]],
    ['off', [0xf5], [0xfa]],
    ['defaults', [0xf6], [0xfa]],
    ['about single keys of set 3', [0xfb], [0xfa]],
    ['no such command', [0x12], [0xfe]],
    ['a command in place of the lamps', [0xed, 0xee], [0xfa, 0xee]],
    ['set 3, which it has not', [0xf0, 0x03], [0xfa, 0xfe]],
    ['once more what it sent last', [0xee, 0xfe], [0xee, 0xee]],
  ])('%s', (_what, bytes, answers) => {
    expect(asked(...bytes)).toEqual(answers);
  });

  test('says what it is: the controller translates that, too', () => {
    expect(asked(0xf2)).toEqual([0xfa, 0xab, 0x41]);
    command(0x60);
    data(0x04);
    expect(asked(0xf2)).toEqual([0xfa, 0xab, 0x83]);
  });

  test('a key and its release, translated to set 1', () => {
    expect(device.press(Uint8Array.of(0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8, 0x3f, 0x41))).toBe(8);
    expect(drain()).toEqual([0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8, 0x3f, 0x41]);
  });

  test('as the keyboard sends it: set 2', () => {
    command(0x60);
    data(0x04);
    device.press(Uint8Array.of(0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8, 0x41));
    expect(drain()).toEqual([0x1c, 0xf0, 0x1c, 0xe0, 0x75, 0xe0, 0xf0, 0x75, 0x83]);
  });

  test('set 1 of its own, with the controller not translating', () => {
    command(0x60);
    data(0x04);
    expect(asked(0xf0, 0x00)).toEqual([0xfa, 0xfa, 0x02]);
    expect(asked(0xf0, 0x01)).toEqual([0xfa, 0xfa]);
    expect(asked(0xf0, 0x00)).toEqual([0xfa, 0xfa, 0x01]);
    device.press(Uint8Array.of(0x1e, 0x9e));
    expect(drain()).toEqual([0x1e, 0x9e]);
  });

  test('every key of set 1 comes through translation as it was pressed', () => {
    const keys = Array.from({ length: 0x58 }, (_, i) => i + 1);
    const codes = keys.flatMap((key) => [key, key | 0x80]);
    device.press(Uint8Array.from(codes));
    const seen: number[] = [];
    while (full()) seen.push(read());
    expect(seen).toEqual(codes);
  });

  test.each([
    ['translated', 0x45, [0x1e, 0x9e]],
    ['not translated', 0x04, [0x1c, 0xf0, 0x1c]],
  ] as const)('bytes that are no key leave nothing behind for the next one: %s', (_how, config, key) => {
    command(0x60);
    data(config);
    for (let code = 0; code < 256; code++) {
      device.press(Uint8Array.of(code, 0x1e, 0x9e));
      expect(drain().slice(-key.length), `behind ${code}`).toEqual(key);
    }
  });

  test('of all 256 bytes, those of keys come through translation as they were pressed', () => {
    const codes = Array.from({ length: 256 }, (_, code) => code);
    device.press(Uint8Array.from(codes));
    const seen: number[] = [];
    while (full()) seen.push(read());
    expect(seen).toEqual(codes.filter((code) => isPrefix(code) || toSet2(code) !== 0));
    expect(seen).toEqual(expect.arrayContaining([0x01, 0x58, 0x81, 0xd8, 0xe0, 0xe1]));
    expect(seen).not.toContain(0x80);
  });

  test('keys wait while it is off, or its clock held, and through a reset', () => {
    expect(asked(0xf5)).toEqual([0xfa]);
    device.press(Uint8Array.of(0x1e));
    expect(full()).toBe(false);
    expect(asked(0xff)).toEqual([0xfa, 0xaa, 0x1e]);
    command(0xad);
    device.press(Uint8Array.of(0x1f));
    expect(full()).toBe(false);
    command(0xae);
    expect(drain()).toEqual([0x1f]);
  });

  test("an answer of the controller's does not cover a key that waits", () => {
    device.press(Uint8Array.of(0x1e, 0x1f));
    command(0x20);
    expect(drain()).toEqual([0x45, 0x1e, 0x1f]);
  });

  test('a byte for it lets the clock go', () => {
    command(0xad);
    expect(asked(0xee)).toEqual([0xee]);
    command(0x20);
    expect(read() & 0x10).toBe(0);
  });

  test('the byte read last stays there', () => {
    device.press(Uint8Array.of(0x1e));
    expect([read(), read(), status() & 1]).toEqual([0x1e, 0x1e, 0]);
  });

  test('takes what fits, and the rest when there is room', () => {
    const room = device.room();
    expect(room).toBeGreaterThan(500);
    expect(device.press(new Uint8Array(room + 10).fill(0x1e))).toBe(room);
    expect(device.room()).toBe(1); // one waits at the controller
    expect(device.press(Uint8Array.of(0x1f, 0x20))).toBe(1);
  });
});

describe('no mouse', () => {
  test('a byte for it is answered at once with resend and time-out, marked as from there', () => {
    command(0xd4);
    data(0xff);
    expect(status() & 0x61).toBe(0x61);
    expect(read()).toBe(0xfe);
  });

  test('the mouse loop-back answers without the mouse mark, so that nobody looks further', () => {
    command(0xd3);
    data(0x5a);
    expect(status() & 0x21).toBe(0x01);
    expect(read()).toBe(0x5a);
  });
});

describe('interrupt 1', () => {
  test('each byte is an edge: the line drops with the read and rises with the next byte', () => {
    device.press(Uint8Array.of(0x1e, 0x9e));
    expect(host.events).toEqual(['irq 1 = 1']);
    read();
    read();
    expect(host.events).toEqual(['irq 1 = 1', 'irq 1 = 0', 'irq 1 = 1', 'irq 1 = 0']);
  });

  test('a key gives an edge to the one that waits, whose own may have been lost', () => {
    device.press(Uint8Array.of(0x1e));
    device.press(Uint8Array.of(0x1f));
    expect(host.events).toEqual(['irq 1 = 1', 'irq 1 = 0', 'irq 1 = 1']);
  });

  test('is the first edge again behind an answer of the controller', () => {
    command(0x20);
    device.press(Uint8Array.of(0x1e));
    read();
    expect(host.events).toEqual(['irq 1 = 1', 'irq 1 = 0', 'irq 1 = 1']);
  });

  test('is off where the configuration says so', () => {
    command(0x60);
    data(0x44);
    data(0xf2);
    device.press(Uint8Array.of(0x1e));
    expect(host.events).toEqual([]);
    command(0x60);
    data(0x45);
    expect(host.events).toEqual(['irq 1 = 1']);
  });

  test("does not sound for the mouse's bytes", () => {
    command(0xd4);
    data(0xff);
    expect(host.events).toEqual([]);
  });
});

describe('a record of version 0.1, which had no keyboard', () => {
  test('gets one, as at power-on; the controller is as it was', () => {
    const old = Uint8Array.of(0x44, 0x03, 0xfe, 0x41, 0, 0, 0);
    const record = upgradeRecords([['i8042', old]]).get('i8042')!;
    const fresh = new Uint8Array(I8042.stateBytes);
    I8042.reset(fresh);
    expect(record).toEqual(Uint8Array.of(...old, ...fresh.subarray(7)));
  });
});

describe('reset', () => {
  test('pulsing line 0 of the output port resets', () => {
    for (const value of [0xfe, 0xf0, 0xf2]) expect(command(value)).toEqual({ kind: 'reset' });
    for (const value of [0xff, 0xf1, 0xfd]) expect(command(value)).toBe(undefined);
  });

  test('so does writing 0 to it', () => {
    command(0xd1);
    expect(data(0x02)).toEqual({ kind: 'reset' });
    command(0xd1);
    expect(data(0x03)).toBe(undefined);
  });
});
