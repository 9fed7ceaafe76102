/** Devices for tests of what leads to them. */
import { Bus } from '../../src/devices/bus.ts';
import type { Device } from '../../src/devices/device.ts';

/** A device that logs its accesses and answers reads with the low byte of each address. */
export function probe(name: string, where: Partial<Device>): Device & { log: string[] } {
  const log: string[] = [];
  return {
    name,
    log,
    ...where,
    read(address, width) {
      log.push(`r${width} ${address.toString(16)}`);
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = value * 256 + ((address + i) & 0xff);
      return value;
    },
    write(address, width, value) {
      log.push(`w${width} ${address.toString(16)} ${value.toString(16)}`);
      return value === 0xdead ? { kind: 'reset' } : undefined;
    },
  };
}

/** A bus with these devices on it. */
export function busWith(...devices: Device[]): Bus {
  const bus = new Bus();
  for (const device of devices) bus.attach(device);
  return bus;
}
