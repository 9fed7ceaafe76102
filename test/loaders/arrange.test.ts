import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backed, findRoom, informationRoom, usableRam } from '../../loaders/arrange.ts';
import { merged } from '../../src/memory/room.ts';
import { MIB, memoryMap } from './build.ts';
import { refused } from './refused.ts';

const small = fc.record({ base: fc.nat(200), size: fc.integer({ min: 1, max: 40 }) });

describe('findRoom', () => {
  test('agrees with trying every address', () => {
    fc.assert(
      fc.property(
        fc.array(small, { maxLength: 4 }),
        fc.array(small, { maxLength: 6 }),
        fc.record({
          size: fc.integer({ min: 1, max: 30 }),
          align: fc.constantFrom(1, 2, 4, 16),
          from: fc.nat(100),
          to: fc.integer({ min: 100, max: 260 }),
        }),
        fc.boolean(),
        (ram, busy, request, top) => {
          const map = ram.map((r) => ({ ...r, type: 1 as const }));
          const taken = busy.map((b) => ({ gpa: b.base, size: b.size, name: '' }));
          const free = (at: number) =>
            ram.some((r) => at >= r.base && at < r.base + r.size) &&
            !busy.some((b) => at >= b.base && at < b.base + b.size);
          const good: number[] = [];
          for (let at = 0; at < 300; at += request.align) {
            const fits = at >= request.from && at + request.size <= request.to;
            if (fits && Array.from({ length: request.size }, (_, i) => at + i).every(free)) good.push(at);
          }
          expect(findRoom(map, taken, { name: '', ...request, top })).toBe(top ? good.at(-1) : good[0]);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('reserved ranges of the map are not used', () => {
    const map = [
      { base: 0, size: 4096, type: 2 as const },
      { base: 8192, size: 4096, type: 1 as const },
    ];
    expect(findRoom(map, [], { name: '', size: 16, align: 16, from: 0 })).toBe(8192);
  });
});

test('merged joins what touches or overlaps', () => {
  expect(
    merged([
      { base: 10, size: 5 },
      { base: 0, size: 4 },
      { base: 4, size: 3 },
      { base: 11, size: 1 },
    ]),
  ).toEqual([
    { base: 0, size: 7 },
    { base: 10, size: 5 },
  ]);
});

test('the first MiB is backed even where the map calls it reserved', () => {
  const map = memoryMap(4);
  expect(usableRam(map).some((r) => r.base + r.size > 0xa_0000 && r.base < 0xa_0000)).toBe(false);
  expect(backed(map, 0x9_0000, MIB)).toBe(true);
  expect(backed(map, 3 * MIB, MIB + 1)).toBe(false);
});

test('boot information goes just under 640 KiB, else above the kernel, else it says what is needed', () => {
  const request = { name: 'info', size: 100, align: 16 };
  const free = memoryMap(4);
  expect(informationRoom(free, [], request)).toBe(0x9_f000);
  expect(informationRoom(free, [], { ...request, size: 0xc00 })).toBe(0x9_f000);
  expect(informationRoom(free, [], { ...request, size: 0xc01 })).toBe(0x9_63f0);
  expect(informationRoom(free, [{ gpa: 0x9_0000, size: 0xfc00, name: 'kernel' }], request)).toBe(0x8_ff90);
  expect(informationRoom(free, [], request, [{ from: 0x1_0000, to: 0x2_0000 }])).toBe(0x1_0000);
  const low = { gpa: 0x1000, size: 0x9_ec00, name: 'low' };
  expect(informationRoom(memoryMap(4), [low], request)).toBe(MIB);
  refused(
    () => informationRoom(memoryMap(1), [low], request),
    'NO_ROOM',
    /info: no room for 100 bytes .* give the guest at least 2 MiB with --mem/,
  );
});
