import { describe, expect, test } from 'vitest';
import {
  createDeviceState,
  DEVICE_SPECS,
  deviceRecords,
  deviceRestorer,
  recordCopier,
  recordsInUse,
} from '../../src/devices/devices.ts';
import { testMemory } from '../../src/devices/test-memory.ts';
import { plugged } from './fake-host.ts';

const BASE = 0xff00_0000;
const NAME = 'test-memory';

function write(bus: ReturnType<typeof plugged>['bus'], gpa: number, ...bytes: number[]): void {
  expect(bus.mmioWrite(gpa, Uint8Array.from(bytes))).toBe(undefined);
}
function read(bus: ReturnType<typeof plugged>['bus'], gpa: number, length: number): number[] {
  const bytes = new Uint8Array(length);
  bus.mmioRead(gpa, bytes);
  return [...bytes];
}

describe('test memory', () => {
  test('keeps what is written at any width and place, and ends after 64 KiB', () => {
    const { bus } = plugged([testMemory()]);
    expect(read(bus, BASE, 8)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    write(bus, BASE + 3, 1, 2, 3, 4, 5, 6, 7, 0x88);
    expect(read(bus, BASE + 2, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    write(bus, BASE + 0xfffe, 9, 10, 11);
    expect(read(bus, BASE + 0xfffe, 3)).toEqual([9, 10, 0xff]);
  });
});

describe('a record that most machines never use', () => {
  const attached = () => {
    const buffer = createDeviceState(DEVICE_SPECS);
    const use = (value: number) => {
      const record = deviceRecords(DEVICE_SPECS, buffer).get(NAME)!;
      record.set([1, value]);
      record[record.length - 1] = value;
    };
    const values = () => {
      const record = deviceRecords(DEVICE_SPECS, buffer).get(NAME)!;
      return [record[0], record[1], record.at(-1)];
    };
    return { buffer, use, values };
  };
  const copied = (records: ReadonlyMap<string, Uint8Array>) =>
    new Map([...records].map(([name, bytes]) => [name, bytes.slice()]));

  test('is left out of a checkpoint until it is used, and the others are not', () => {
    const { buffer, use } = attached();
    const unused = recordsInUse(DEVICE_SPECS, buffer);
    expect(unused.has(NAME)).toBe(false);
    expect(unused.size).toBe(DEVICE_SPECS.filter(({ rare }) => !rare).length);
    use(5);
    expect(recordsInUse(DEVICE_SPECS, buffer).get(NAME)).toHaveLength(0x1_0001);
  });

  test('is as at power-on after the restore of a checkpoint without it', () => {
    const { buffer, use, values } = attached();
    const restore = deviceRestorer(DEVICE_SPECS, buffer, copied(recordsInUse(DEVICE_SPECS, buffer)));
    use(7);
    restore();
    expect(values()).toEqual([0, 0, 0]);
    use(8);
    const again = deviceRestorer(DEVICE_SPECS, buffer, copied(recordsInUse(DEVICE_SPECS, buffer)));
    restore();
    again();
    expect(values()).toEqual([1, 8, 8]);
  });

  test('is copied when it is used, and when it was', () => {
    const { buffer, use } = attached();
    const live = new Uint8Array(buffer);
    const copy = new Uint8Array(new SharedArrayBuffer(live.length));
    const take = recordCopier(DEVICE_SPECS);
    const place = live.length - copied(deviceRecords(DEVICE_SPECS, buffer)).get(NAME)!.length;
    use(3);
    take(live, copy);
    expect(Buffer.compare(copy.subarray(place - 64), live.subarray(place - 64))).toBe(0);
    deviceRestorer(DEVICE_SPECS, buffer, copied(recordsInUse(DEVICE_SPECS, createDeviceState(DEVICE_SPECS))))();
    take(live, copy);
    expect(copy.subarray(place - 64).some((byte) => byte !== 0)).toBe(false);
  });
});
