import { describe, expect, it } from 'vitest';
import { interleave, median, quantile } from '../../bench/measure.ts';

describe('median and quantile', () => {
  it('takes the middle of an odd number of samples, in any order, without sorting the caller’s array', () => {
    const samples = [9, 1, 5];
    expect(median(samples)).toBe(5);
    expect(samples).toEqual([9, 1, 5]);
  });

  it('takes the mean of the two middle samples of an even number', () => {
    expect(median([10, 2, 4, 100])).toBe(7);
  });

  it('sorts by value and not by spelling', () => {
    expect(median([100, 9, 20])).toBe(20);
  });

  it('has no answer for no samples', () => {
    expect(median([])).toBeNaN();
    expect(quantile([], 0.5)).toBeNaN();
  });

  it('finds quantiles, the last sample for 1', () => {
    const samples = Array.from({ length: 100 }, (_, i) => 99 - i);
    expect(quantile(samples, 0.99)).toBe(99);
    expect(quantile(samples, 0)).toBe(0);
    expect(quantile(samples, 1)).toBe(99);
  });
});

describe('interleave', () => {
  it('alternates, lets neither always go first, and throws the first round away', async () => {
    const order: string[] = [];
    const ours = [1000, 1, 2, 3];
    const floor = [2000, 4, 6, 5];
    const take = (name: string, values: number[]) => () => {
      order.push(name);
      return values.shift() ?? Number.NaN;
    };
    const result = await interleave(3, { ours: take('o', ours), floor: take('f', floor) });
    expect(result).toEqual({ ours: 2, floor: 5 });
    expect(order.join('')).toBe('offooffo');
  });

  it('waits for samples that take time, and fails with one that fails', async () => {
    expect(await interleave(1, { only: async () => 7 })).toEqual({ only: 7 });
    await expect(interleave(1, { bad: () => Promise.reject(new Error('broken')) })).rejects.toThrow('broken');
  });
});
