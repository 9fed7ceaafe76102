import { describe, expect, it } from 'vitest';
import { COMMANDS, EXIT_CODES, PORTS } from '../../guests/contract.ts';
import { Bus } from '../../src/devices/bus.ts';
import type { DeviceHost, Width } from '../../src/devices/device.ts';
import { attachDevices, createDeviceState, DEVICE_SPECS } from '../../src/devices/devices.ts';

const HOST: DeviceHost = {
  setIrq: () => {},
  output: () => {},
  ramBytes: 16 * 2 ** 20,
  cpus: 3,
  now: () => 0,
};

function machineBus(): Bus {
  const bus = new Bus();
  attachDevices(DEVICE_SPECS, createDeviceState(DEVICE_SPECS), HOST, bus);
  return bus;
}

/** Whether a default machine has a device at the port. */
const isClaimed = (bus: Bus, port: number) =>
  bus.devices.some((device) => device.ports?.some(({ base, length }) => port >= base && port < base + length));

describe("the guests' contract, as a default machine keeps it", () => {
  it.each(Object.entries(PORTS))('port %s', (name, port) => {
    expect(isClaimed(machineBus(), port)).toBe(name !== 'UNCLAIMED');
  });

  it.each([
    ['DEBUG_EXIT', 1, EXIT_CODES.PANIC, { kind: 'exit', value: EXIT_CODES.PANIC }],
    ['I8042_COMMAND', 1, COMMANDS.RESET_I8042, { kind: 'reset' }],
    ['SYSTEM_CONTROL_A', 1, COMMANDS.RESET_PORT_A, { kind: 'reset' }],
    ['POWEROFF', 2, COMMANDS.POWEROFF_ACPI, { kind: 'poweroff' }],
    ['POST', 1, 0x55, undefined],
    ['UNCLAIMED', 4, 0x12345678, undefined],
  ] as const)('a write to %s', (port, width, value, stop) => {
    expect(machineBus().portOut(PORTS[port], width, value)).toEqual(stop);
  });

  it('reads: debug console, firmware configuration, nobody', () => {
    const bus = machineBus();
    const readAll = (key: number, length: number) => {
      bus.portOut(PORTS.FW_CFG_SELECTOR, 2, key);
      return Array.from({ length }, () => bus.portIn(PORTS.FW_CFG_DATA, 1));
    };
    expect(bus.portIn(PORTS.DEBUGCON, 1)).toBe(PORTS.DEBUGCON);
    expect(Buffer.from(readAll(COMMANDS.FW_CFG_SIGNATURE, 4)).toString()).toBe('QEMU');
    expect(readAll(COMMANDS.FW_CFG_CPUS, 2)).toEqual([3, 0]);
    for (const [width, ones] of [
      [1, 0xff],
      [2, 0xffff],
      [4, 0xffff_ffff],
    ] as [Width, number][])
      expect(bus.portIn(PORTS.UNCLAIMED, width)).toBe(ones);
  });
});
