import { describe, expect, it } from 'vitest';
import { meetsBar, type Result, ratioOf, toJsonRow, toLine } from '../../bench/report.ts';

const exits: Result = {
  name: 'port exits',
  ours: 95_000,
  floor: 100_000,
  unit: 'exits/s',
  bar: { at: 'least', ratio: 0.9 },
};

describe('ratios and bars', () => {
  it('is ours over floor, whatever is better', () => {
    expect(ratioOf(exits)).toBe(0.95);
    expect(ratioOf({ ...exits, floor: null })).toBeNull();
  });

  it('reads a bar in its own direction, the bar itself included', () => {
    expect(meetsBar(exits)).toBe(true);
    expect(meetsBar({ ...exits, ours: 89_999 })).toBe(false);
    expect(meetsBar({ ...exits, ours: 90_000 })).toBe(true);
    expect(meetsBar({ ...exits, bar: { at: 'most', ratio: 0.9 } })).toBe(false);
    expect(meetsBar({ name: 'x', ours: 1, floor: 1, unit: 'ms' })).toBeUndefined();
  });
});

describe('rows', () => {
  it('has exactly the fields that --json promises, as finite JSON values', () => {
    const row = toJsonRow({ ...exits, ours: 94_999.123_456, note: 'not part of a row' }, 'PVM');
    expect(JSON.parse(JSON.stringify(row))).toEqual({
      name: 'port exits',
      ours: 94_999.1,
      floor: 100_000,
      ratio: 0.95,
      unit: 'exits/s',
      kvm: 'PVM',
    });
  });

  it('keeps null where a part has no floor', () => {
    expect(toJsonRow({ name: 'start-up: Node', ours: 40, floor: null, unit: 'ms' }, 'VMX')).toMatchObject({
      floor: null,
      ratio: null,
    });
  });

  it('prints a line with both numbers, the ratio and the verdict', () => {
    expect(toLine(exits, false)).toMatch(/^port exits +95,000 +100,000 +0\.95x +exits\/s +ok, at least 0\.9x$/);
    expect(toLine({ ...exits, ours: 1.2345 }, false)).toMatch(/ 1\.23 .* MISSED/);
    expect(toLine({ ...exits, floor: null }, false)).toMatch(/^port exits +95,000 +exits\/s$/);
  });
});
