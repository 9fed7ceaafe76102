import { beforeEach, describe, expect, test } from 'vitest';
import type { Bus } from '../../src/devices/bus.ts';
import type { Device } from '../../src/devices/device.ts';
import { i8042 } from '../../src/devices/i8042.ts';
import { type FakeHost, plugged } from './fake-host.ts';

let bus: Bus;
let host: FakeHost;
let device: Device;
const command = (value: number) => bus.portOut(0x64, 1, value);
const data = (value: number) => bus.portOut(0x60, 1, value);
const status = () => bus.portIn(0x64, 1);
const read = () => bus.portIn(0x60, 1);
const full = () => (status() & 1) === 1;

beforeEach(() => {
  ({ bus, host, device } = plugged([i8042()]));
});

describe('commands', () => {
  test('at power-on: nothing waits, tests passed, not locked', () => {
    expect(status()).toBe(0x14);
  });

  test('the configuration byte reads back as written', () => {
    command(0x20);
    expect(full()).toBe(true);
    expect(read()).toBe(0x44);
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
    [0xab, 0x01, 'no keyboard line'],
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
    expect(read()).toBe(0x44);
    data(0x00);
    read();
    command(0x20);
    expect(read()).toBe(0x44);
  });
});

describe('nobody is plugged in', () => {
  test('a byte to the keyboard is answered at once with resend and time-out', () => {
    data(0xf2);
    expect(status() & 0x61).toBe(0x41);
    expect(read()).toBe(0xfe);
    expect(status() & 0x41).toBe(0);
  });

  test('a byte to the mouse, too, and it is marked as from there', () => {
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
  test('is off until the configuration asks for it, and follows the buffer', () => {
    data(0xf2);
    expect(host.events).toEqual([]);
    command(0x60);
    data(0x45);
    expect(host.events).toEqual(['irq 1 = 1']);
    device.driveIrq?.();
    read();
    device.driveIrq?.();
    expect(host.events).toEqual(['irq 1 = 1', 'irq 1 = 1', 'irq 1 = 0', 'irq 1 = 0']);
  });

  test("does not sound for the mouse's bytes", () => {
    command(0x60);
    data(0x45);
    command(0xd4);
    data(0xff);
    expect(host.events).toEqual([]);
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
