import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Bus } from '../../src/devices/bus.ts';
import type { Device, Width } from '../../src/devices/device.ts';
import {
  attachDevices,
  createDeviceState,
  DEVICE_SPECS,
  deviceRecords,
  deviceRestorer,
  layoutDevices,
} from '../../src/devices/devices.ts';
import type { I8042 } from '../../src/devices/i8042.ts';
import { post } from '../../src/devices/stores.ts';
import type { Uart } from '../../src/devices/uart.ts';
import { CheckpointError, UsageError } from '../../src/errors.ts';
import { ascii, type FakeHost, fakeHost, plugged } from './fake-host.ts';

/** Ports that the default devices answer, found out by asking. */
const PORTS = (() => {
  const ports: number[] = [];
  for (const spec of DEVICE_SPECS)
    for (const range of plugged([spec]).device.ports ?? [])
      for (let i = 0; i < range.length; i++) ports.push(range.base + i);
  return ports;
})();

type Op =
  | { readonly op: 'in'; readonly port: number; readonly width: Width }
  | { readonly op: 'out'; readonly port: number; readonly width: Width; readonly value: number }
  | { readonly op: 'outs'; readonly port: number; readonly data: Uint8Array }
  | { readonly op: 'receive'; readonly data: Uint8Array }
  | { readonly op: 'press'; readonly data: Uint8Array }
  | { readonly op: 'wait'; readonly ms: number };

const port = fc.oneof(
  fc.constantFrom(...PORTS),
  fc.integer({ min: 0x3f8, max: 0x3ff }),
  fc.constantFrom(0x60, 0x64, 0x70, 0x71),
);
const width = fc.constantFrom<Width>(1, 2, 4);
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('in' as const), port, width }) },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('out' as const),
      port,
      width,
      value: fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 31 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('outs' as const), port, data: fc.uint8Array({ maxLength: 24 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('receive' as const), data: fc.uint8Array({ maxLength: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('press' as const), data: fc.uint8Array({ maxLength: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 100_000 }) }) },
);

interface Plugged {
  readonly bus: Bus;
  readonly host: FakeHost;
  readonly devices: readonly Device[];
}

const mask = (value: number, bytes: Width) => value % 2 ** (8 * bytes);

function apply({ bus, host, devices }: Plugged, step: Op): unknown {
  if (step.op === 'in') return bus.portIn(step.port, step.width);
  if (step.op === 'out') return bus.portOut(step.port, step.width, mask(step.value, step.width));
  if (step.op === 'outs') return bus.portOutString(step.port, 1, step.data);
  if (step.op === 'receive') return (devices[0] as Uart).receive(step.data);
  if (step.op === 'press') return (devices.find(({ name }) => name === 'i8042') as I8042).press(step.data);
  host.time += step.ms;
  return undefined;
}

function attached(buffer: SharedArrayBuffer, host = fakeHost()): Plugged {
  const bus = new Bus();
  return { bus, host, devices: attachDevices(DEVICE_SPECS, buffer, host, bus) };
}

function copyOf(buffer: SharedArrayBuffer): SharedArrayBuffer {
  const copy = new SharedArrayBuffer(buffer.byteLength);
  new Uint8Array(copy).set(new Uint8Array(buffer));
  return copy;
}

describe('the default devices', () => {
  test('fit on one bus, with names of their own, and know their records', () => {
    const { devices } = attached(createDeviceState(DEVICE_SPECS));
    expect(devices.map((device) => device.name)).toEqual(DEVICE_SPECS.map((spec) => spec.name));
    expect(new Set(devices.map((device) => device.name)).size).toBe(devices.length);
  });

  test.each(DEVICE_SPECS)('$name: its fields cover its record without gap or overlap', ({ stateBytes, fields }) => {
    const cover = new Uint8Array(stateBytes);
    for (const [offset, size] of Object.values(fields)) for (let i = 0; i < size; i++) cover[offset + i]!++;
    expect(cover.every((n) => n === 1)).toBe(true);
  });

  test('attaching changes no state and touches no host', () => {
    const buffer = createDeviceState(DEVICE_SPECS);
    const before = copyOf(buffer);
    const { host } = attached(buffer);
    expect(new Uint8Array(buffer)).toEqual(new Uint8Array(before));
    expect(host.events).toEqual([]);
  });

  test('there is no second serial port and no primary IDE', () => {
    const { bus } = attached(createDeviceState(DEVICE_SPECS));
    expect([bus.portIn(0x2fd, 1), bus.portIn(0x1f7, 1)]).toEqual([0xff, 0xff]);
  });
});

describe('layout', () => {
  test('records are apart, aligned, and behind the lock', () => {
    const { bytes, offsets } = layoutDevices(DEVICE_SPECS);
    let end = 64;
    for (const { name, stateBytes } of DEVICE_SPECS) {
      const offset = offsets.get(name)!;
      expect(offset % 8).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + stateBytes;
    }
    expect(bytes).toBeGreaterThanOrEqual(end);
    expect(bytes - end).toBeLessThan(8);
  });

  test('two devices of one name are refused', () => {
    expect(() => layoutDevices([post(), post()])).toThrow(UsageError);
  });
});

describe('reset', () => {
  test('after any use all devices are as they were born', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), (steps) => {
        const buffer = createDeviceState(DEVICE_SPECS);
        const machine = attached(buffer);
        for (const step of steps) apply(machine, step);
        for (const [name, record] of deviceRecords(DEVICE_SPECS, buffer))
          DEVICE_SPECS.find((spec) => spec.name === name)!.reset(record.fill(0));
        for (const [name, record] of deviceRecords(DEVICE_SPECS, createDeviceState(DEVICE_SPECS)))
          expect(Buffer.compare(deviceRecords(DEVICE_SPECS, buffer).get(name)!, record), name).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});

describe('the record is the whole state', () => {
  test('a copy at any point, attached anew, gives the same answers and asks the same of its host', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), fc.array(op, { maxLength: 60 }), (before, after) => {
        const buffer = createDeviceState(DEVICE_SPECS);
        const original = attached(buffer);
        for (const step of before) apply(original, step);
        const copyHost = fakeHost();
        copyHost.time = original.host.time;
        const copy = attached(copyOf(buffer), copyHost);
        original.host.events.length = 0;
        for (const step of after) expect(apply(copy, step)).toEqual(apply(original, step));
        expect(copy.host.events).toEqual(original.host.events);
      }),
      { numRuns: 300 },
    );
  });

  test('two sets of devices over one buffer are one machine', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), op), { maxLength: 80 }), (steps) => {
        const alone = attached(createDeviceState(DEVICE_SPECS));
        const buffer = createDeviceState(DEVICE_SPECS);
        const host = fakeHost();
        const pair = [attached(buffer, host), attached(buffer, host)] as const;
        for (const [second, step] of steps) expect(apply(pair[second ? 1 : 0], step)).toEqual(apply(alone, step));
        expect(host.events).toEqual(alone.host.events);
      }),
      { numRuns: 150 },
    );
  });

  test('a state nobody ever had cannot break the bus: reads stay in range, queues in bounds', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(op, { maxLength: 60 }), (seed, steps) => {
        const buffer = createDeviceState(DEVICE_SPECS);
        let random = seed;
        for (const record of deviceRecords(DEVICE_SPECS, buffer).values())
          for (let i = 0; i < record.length; i++) {
            random = (Math.imul(random, 1103515245) + 12345) | 0;
            record[i] = random >>> 16;
          }
        const machine = attached(buffer);
        for (const step of steps) {
          const answer = apply(machine, step);
          if (step.op === 'in')
            expect(Number.isInteger(answer) && Number(answer) >= 0 && Number(answer) < 2 ** (8 * step.width)).toBe(
              true,
            );
          if (step.op === 'receive') expect(answer).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 200 },
    );
  });
});

const copies = (records: ReadonlyMap<string, Uint8Array>) =>
  new Map([...records].map(([name, bytes]) => [name, bytes.slice()]));

describe('save and restore', () => {
  test('records come back in place, and a machine that stays attached goes on from there', () => {
    const buffer = createDeviceState(DEVICE_SPECS);
    const { bus, devices } = attached(buffer);
    (devices[0] as Uart).receive(ascii('abc'));
    bus.portIn(0x3f8, 1);
    bus.portOut(0x80, 1, 0x42);
    const saved = copies(deviceRecords(DEVICE_SPECS, buffer));
    bus.portIn(0x3f8, 1);
    bus.portOut(0x80, 1, 0);
    deviceRestorer(DEVICE_SPECS, buffer, saved)();
    expect([bus.portIn(0x3f8, 1), bus.portIn(0x80, 1)]).toEqual([0x62, 0x42]);
  });

  const refused = (change: (saved: Map<string, Uint8Array>) => void): string => {
    const buffer = createDeviceState(DEVICE_SPECS);
    const saved = copies(deviceRecords(DEVICE_SPECS, buffer));
    saved.get('post')!.fill(1);
    change(saved);
    const before = copyOf(buffer);
    try {
      deviceRestorer(DEVICE_SPECS, buffer, saved)();
    } catch (error) {
      expect(error).toBeInstanceOf(CheckpointError);
      expect(new Uint8Array(buffer)).toEqual(new Uint8Array(before));
      return (error as Error).message;
    }
    return 'accepted';
  };

  test('missing, additional and resized records are refused by name, and nothing is changed', () => {
    expect(refused((saved) => saved.delete('cmos'))).toContain('the saved state has no device cmos');
    expect(refused((saved) => saved.set('floppy', new Uint8Array(1)))).toContain('the machine has no device floppy');
    expect(refused((saved) => saved.set('pci', new Uint8Array(3)))).toContain('the state of device pci has 3 bytes');
  });
});
