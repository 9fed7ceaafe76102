import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestMemoryError } from '../../src/errors.ts';
import { e820, HOLE_END, HOLE_START, ramRanges } from '../../src/memory/layout.ts';
import { thrown } from '../support/thrown.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

describe('where RAM lies', () => {
  it('is one range up to 3 GiB', () => {
    expect(ramRanges(MIB)).toEqual([{ base: 0, size: MIB }]);
    expect(ramRanges(HOLE_START)).toEqual([{ base: 0, size: HOLE_START }]);
  });

  it('goes on above 4 GiB with what does not fit below the hole', () => {
    expect(ramRanges(HOLE_START + 4096)).toEqual([
      { base: 0, size: HOLE_START },
      { base: HOLE_END, size: 4096 },
    ]);
    expect(ramRanges(5 * GIB)).toEqual([
      { base: 0, size: 3 * GIB },
      { base: 4 * GIB, size: 2 * GIB },
    ]);
  });

  it('leaves the APICs, the TSS pages and the ROMs alone, and adds up to what was asked', () => {
    fc.assert(
      fc.property(fc.integer({ min: 256, max: 2 ** 28 }), (pages) => {
        const ranges = ramRanges(pages * 4096);
        expect(ranges.reduce((sum, { size }) => sum + size, 0)).toBe(pages * 4096);
        for (const { base, size } of ranges) expect(base + size <= HOLE_START || base >= HOLE_END).toBe(true);
      }),
    );
  });

  it.each([0, 4096, MIB - 4096, MIB + 1, MIB + 2048, 1.5 * MIB + 0.5, -MIB, 2 ** 40 + 4096, Number.NaN, Infinity])(
    'refuses %d bytes',
    (bytes) => {
      const error = thrown(GuestMemoryError, () => ramRanges(bytes));
      expect(error.code).toBe('RAM_SIZE');
      expect(error.message).toContain(`${bytes}`);
      expect(error.message).toMatch(/multiple of 4 KiB from 1 MiB to 1 TiB/);
    },
  );
});

describe('the E820 map', () => {
  const RESERVED = 2;

  it('calls the EBDA and the BIOS reserved and leaves the video window out', () => {
    expect(e820(ramRanges(16 * MIB))).toEqual([
      { base: 0, size: 0x9_fc00, type: 1 },
      { base: 0x9_fc00, size: 0x400, type: RESERVED },
      { base: 0xe_0000, size: 0x2_0000, type: RESERVED },
      { base: MIB, size: 15 * MIB, type: 1 },
    ]);
  });

  it('has nothing above 1 MiB on a machine of 1 MiB, and RAM above the hole on a large one', () => {
    expect(e820(ramRanges(MIB)).some(({ base }) => base >= MIB)).toBe(false);
    expect(e820(ramRanges(4 * GIB)).at(-1)).toEqual({ base: HOLE_END, size: GIB, type: 1 });
    expect(e820([])).toEqual([]);
  });

  it('ascends without overlap, and only promises what there is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 256, max: 2 ** 24 }), (pages) => {
        const ranges = ramRanges(pages * 4096);
        let end = 0;
        for (const { base, size } of e820(ranges)) {
          expect(base).toBeGreaterThanOrEqual(end);
          expect(ranges.some((r) => base >= r.base && base + size <= r.base + r.size)).toBe(true);
          end = base + size;
        }
      }),
    );
  });
});
