import { describe, expect, test } from 'vitest';
import { Bus } from '../../src/devices/bus.ts';
import type { Width } from '../../src/devices/device.ts';
import { UsageError } from '../../src/errors.ts';
import { busWith, probe } from './probe.ts';

const messageOf = (fn: () => void): string => {
  try {
    fn();
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return 'nothing thrown';
};

describe('claims', () => {
  test('an overlap names both devices and the ports, and leaves the bus as it was', () => {
    const first = probe('first', { ports: [{ base: 0x3f8, length: 8 }] });
    const bus = busWith(first);
    const second = probe('second', {
      ports: [
        { base: 0x200, length: 1 },
        { base: 0x3ff, length: 2 },
      ],
    });
    expect(messageOf(() => bus.attach(second))).toBe(
      'device second wants ports 0x3ff..0x400, but 0x3ff belongs to first; leave one out',
    );
    expect(bus.portIn(0x200, 1)).toBe(0xff);
    expect(bus.portIn(0x3ff, 1)).toBe(0xff & 0x3ff);
    expect(bus.devices).toEqual([first]);
  });

  test('an MMIO overlap names both devices and ranges, and leaves the bus as it was', () => {
    const first = probe('first', { mmio: [{ base: 0xd000_0000, length: 0x1000 }] });
    const bus = busWith(first);
    const second = probe('second', { ports: [{ base: 1, length: 1 }], mmio: [{ base: 0xcfff_f000, length: 0x1001 }] });
    expect(messageOf(() => bus.attach(second))).toBe(
      'device second wants MMIO 0xcffff000..0xd0000000, but 0xd0000000..0xd0000fff belongs to first; leave one out',
    );
    expect(bus.portIn(1, 1)).toBe(0xff);
    expect(bus.unclaimed.ports.get(1)).toBe(1);
  });

  test.each([
    { base: 0xffff, length: 2 },
    { base: -1, length: 1 },
    { base: 5, length: 0 },
    { base: 1.5, length: 1 },
  ])('ports $base + $length are refused', (range) => {
    expect(messageOf(() => new Bus().attach(probe('odd', { ports: [range] })))).toContain('odd claims');
  });

  test.each([
    { base: 0, length: 0 },
    { base: -4096, length: 4096 },
    { base: Number.MAX_SAFE_INTEGER, length: 2 },
  ])('MMIO $base + $length is refused', (range) => {
    expect(messageOf(() => new Bus().attach(probe('odd', { mmio: [range] })))).toContain('odd claims');
  });

  test('the first and the last port can be claimed', () => {
    const bus = busWith(
      probe('ends', {
        ports: [
          { base: 0, length: 1 },
          { base: 0xffff, length: 1 },
        ],
      }),
    );
    expect(bus.portIn(0, 1)).toBe(0);
    expect(bus.portIn(0xffff, 1)).toBe(0xff);
    expect(bus.unclaimed.ports.size).toBe(0);
  });
});

describe('unclaimed accesses', () => {
  test('ports read all ones at each width, and every access counts once at its first port', () => {
    const bus = new Bus();
    expect([1, 2, 4].map((width) => bus.portIn(0x300, width as Width))).toEqual([0xff, 0xffff, 0xffffffff]);
    expect(bus.portOut(0x301, 4, 5)).toBe(undefined);
    expect([...bus.unclaimed.ports]).toEqual([
      [0x300, 3],
      [0x301, 1],
    ]);
  });

  test('a 4-byte access at the last port wraps without harm', () => {
    const bus = new Bus();
    expect(bus.portIn(0xfffe, 4)).toBe(0xffffffff);
    expect(bus.portOut(0xffff, 4, 0x12345678)).toBe(undefined);
  });

  test('MMIO reads all ones and counts each access once', () => {
    const bus = new Bus();
    const bytes = new Uint8Array(8);
    bus.mmioRead(0xe000_0000, bytes);
    expect([...bytes]).toEqual(Array(8).fill(0xff));
    bus.mmioWrite(0xe000_0000, new Uint8Array(4));
    expect([...bus.unclaimed.mmio]).toEqual([[0xe000_0000, 2]]);
  });

  test('the table of counts does not grow without bound', () => {
    const bus = new Bus();
    for (let port = 0; port < 5000; port++) bus.portIn(port, 1);
    for (let page = 0; page < 5000; page++) bus.mmioWrite(2 ** 40 + page * 4096, new Uint8Array(1));
    expect(bus.unclaimed.ports.size).toBe(1024);
    expect(bus.unclaimed.mmio.size).toBe(1024);
    expect(bus.unclaimed.others).toBe(2 * (5000 - 1024));
    bus.portIn(0, 1);
    expect(bus.unclaimed.ports.get(0)).toBe(2);
  });
});

describe('wide port accesses', () => {
  test('a byte-wide device gets bytes at ascending ports', () => {
    const device = probe('bytes', { ports: [{ base: 0x10, length: 8 }] });
    const bus = busWith(device);
    expect(bus.portIn(0x10, 4)).toBe(0x13121110);
    bus.portOut(0x12, 2, 0xbbaa);
    expect(device.log).toEqual(['r1 10', 'r1 11', 'r1 12', 'r1 13', 'w1 12 aa', 'w1 13 bb']);
  });

  test('a 2-byte device gets a 4-byte access as two halves', () => {
    const device = probe('words', { ports: [{ base: 0x10, length: 8 }], widest: 2 });
    const bus = busWith(device);
    bus.portOut(0x10, 4, 0xddccbbaa);
    expect(bus.portIn(0x14, 4)).toBe(0x17161514);
    expect(device.log).toEqual(['w2 10 bbaa', 'w2 12 ddcc', 'r2 14', 'r2 16']);
  });

  test('a 4-byte device gets the access whole, with bit 31 set and not negative', () => {
    const device = probe('dwords', { ports: [{ base: 0xf0, length: 4 }], widest: 4 });
    const bus = busWith(device);
    bus.portOut(0xf0, 4, 0xffffffff);
    expect(bus.portIn(0xf0, 4)).toBe(0xf3f2f1f0);
    expect(device.log).toEqual(['w4 f0 ffffffff', 'r4 f0']);
  });

  test('an access over the border of two devices reaches both, and the bus floats beyond', () => {
    const low = probe('low', { ports: [{ base: 0x10, length: 1 }], widest: 4 });
    const high = probe('high', { ports: [{ base: 0x11, length: 1 }], widest: 4 });
    const bus = busWith(low, high);
    expect(bus.portIn(0x10, 4)).toBe(0xffff1110);
    expect(low.log).toEqual(['r1 10']);
    expect(high.log).toEqual(['r1 11']);
  });

  test('an access that starts before a device reaches it, too', () => {
    const device = probe('late', { ports: [{ base: 0x11, length: 1 }] });
    const bus = busWith(device);
    bus.portOut(0x10, 2, 0x7f00);
    expect(bus.portIn(0x10, 2)).toBe(0x11ff);
    expect(device.log).toEqual(['w1 11 7f', 'r1 11']);
  });

  test('both halves are written even when the first asks to stop', () => {
    const device = probe('words', { ports: [{ base: 0x10, length: 4 }], widest: 2 });
    const bus = busWith(device);
    expect(bus.portOut(0x10, 4, 0x0001dead)).toEqual({ kind: 'reset' });
    expect(device.log).toEqual(['w2 10 dead', 'w2 12 1']);
  });
});

describe('string accesses', () => {
  test('without a run function every element is one write', () => {
    const device = probe('words', { ports: [{ base: 0x10, length: 2 }], widest: 2 });
    const bus = busWith(device);
    bus.portOutString(0x10, 2, Uint8Array.of(1, 2, 3, 4));
    expect(device.log).toEqual(['w2 10 201', 'w2 10 403']);
  });

  test('a run ends at a stop request', () => {
    const device = probe('words', { ports: [{ base: 0x10, length: 2 }], widest: 2 });
    const bus = busWith(device);
    expect(bus.portOutString(0x10, 2, Uint8Array.of(1, 0, 0xad, 0xde, 9, 9))).toEqual({ kind: 'reset' });
    expect(device.log).toEqual(['w2 10 1', 'w2 10 dead']);
  });

  test('a device with a run function gets byte runs whole, wider ones by element', () => {
    const runs: number[][] = [];
    const device = {
      ...probe('runs', { ports: [{ base: 0x10, length: 2 }] }),
      writeRun: (_port: number, bytes: Uint8Array) => void runs.push([...bytes]),
    };
    const bus = busWith(device);
    bus.portOutString(0x10, 1, Uint8Array.of(1, 2, 3));
    bus.portOutString(0x10, 2, Uint8Array.of(4, 5));
    expect(runs).toEqual([[1, 2, 3]]);
    expect(device.log).toEqual(['w1 10 4', 'w1 11 5']);
  });

  test.each([1, 2, 4] as const)('INS of width %i fills the buffer', (width) => {
    const bus = busWith(probe('dwords', { ports: [{ base: 0x10, length: 4 }], widest: 4 }));
    const data = new Uint8Array(8);
    bus.portInString(0x10, width, data);
    const element = [0x10, 0x11, 0x12, 0x13].slice(0, width);
    expect([...data]).toEqual(Array.from({ length: 8 / width }, () => element).flat());
  });

  test('INS from nowhere is all ones', () => {
    const data = new Uint8Array(4);
    new Bus().portInString(0x999, 2, data);
    expect([...data]).toEqual([255, 255, 255, 255]);
  });
});
