import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { guest } from './build.ts';
import { fuzz } from './fuzz.ts';
import { shapes } from './shapes.ts';

describe('mutated images', () => {
  test.each(shapes())('the seed %s is valid', (_, bytes) => {
    expect(load(bytes, guest()).segments.length).toBeGreaterThan(0);
  });

  test('3,000 of them are refused or planned, never more', () => {
    const { plans, refusals, failures } = fuzz(3000, 20_260_101);
    expect(failures).toEqual([]);
    expect(plans + refusals).toBe(3000);
    // Both ways out are exercised.
    expect(Math.min(plans, refusals)).toBeGreaterThan(300);
  });

  test('a seed gives the same run again', () => {
    const once = fuzz(200, 7);
    const again = fuzz(200, 7);
    expect([again.plans, again.refusals]).toEqual([once.plans, once.refusals]);
  });
});
