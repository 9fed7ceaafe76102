import { describe, expect, test } from 'vitest';
import { busWith, probe } from './probe.ts';

describe('MMIO accesses', () => {
  const wide = () => probe('wide', { mmio: [{ base: 0x1000, length: 16 }], widest: 4 });

  test('8 bytes are two accesses of 4', () => {
    const device = wide();
    const bus = busWith(device);
    const bytes = new Uint8Array(8);
    bus.mmioRead(0x1008, bytes);
    expect([...bytes]).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
    bus.mmioWrite(0x1000, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0x80));
    expect(device.log).toEqual(['r4 1008', 'r4 100c', 'w4 1000 4030201', 'w4 1004 80070605']);
  });

  test('unaligned and odd lengths are cut into aligned pieces', () => {
    const device = wide();
    const bus = busWith(device);
    bus.mmioWrite(0x1001, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
    expect(device.log).toEqual(['w1 1001 1', 'w2 1002 302', 'w4 1004 7060504']);
  });

  test('a byte-wide device gets bytes', () => {
    const device = probe('bytes', { mmio: [{ base: 0x1000, length: 4 }] });
    busWith(device).mmioWrite(0x1000, Uint8Array.of(1, 2, 3, 4));
    expect(device.log.length).toBe(4);
  });

  test('the part of an access outside the device floats and is counted once', () => {
    const device = wide();
    const bus = busWith(device);
    const bytes = new Uint8Array(8);
    bus.mmioRead(0x100c, bytes);
    expect([...bytes]).toEqual([12, 13, 14, 15, 255, 255, 255, 255]);
    expect([...bus.unclaimed.mmio]).toEqual([[0x1010, 1]]);
  });

  test('a stop request comes through, and all pieces are written', () => {
    const device = probe('words', { mmio: [{ base: 0, length: 8 }], widest: 2 });
    expect(busWith(device).mmioWrite(0, Uint8Array.of(0xad, 0xde, 1, 0))).toEqual({ kind: 'reset' });
    expect(device.log).toEqual(['w2 0 dead', 'w2 2 1']);
  });
});
