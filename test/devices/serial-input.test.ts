import { describe, expect, test } from 'vitest';
import { Bus } from '../../src/devices/bus.ts';
import { attachDevices, COM1, createDeviceState, DEVICE_SPECS, deviceLock } from '../../src/devices/devices.ts';
import { openSerialInput } from '../../src/devices/serial-input.ts';
import { post } from '../../src/devices/stores.ts';
import { UsageError } from '../../src/errors.ts';
import { ascii, fakeHost } from './fake-host.ts';

describe('serial input from another thread', () => {
  test('arrives at the guest, raises the interrupt, and pushes back', () => {
    const buffer = createDeviceState(DEVICE_SPECS);
    const host = fakeHost();
    const bus = new Bus({ lock: deviceLock(buffer) });
    attachDevices(DEVICE_SPECS, buffer, host, bus);
    const input = openSerialInput(DEVICE_SPECS, buffer, host);
    bus.portOut(0x3fc, 1, 8);
    bus.portOut(0x3f9, 1, 1);
    expect(input.receive(ascii('k'))).toBe(1);
    expect(host.events).toEqual(['irq 4 = 1']);
    expect(bus.portIn(0x3f8, 1)).toBe(0x6b);
    expect(input.room()).toBe(4096);
    expect(input.receive(new Uint8Array(9999))).toBe(4096);
  });

  test('a machine without that port is told so', () => {
    expect(() => openSerialInput([post()], createDeviceState([post()]), fakeHost(), COM1)).toThrow(UsageError);
  });
});
