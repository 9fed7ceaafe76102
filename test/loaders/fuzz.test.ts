import { describe, expect, test } from 'vitest';
import { load } from '../../loaders/index.ts';
import { guest } from './build.ts';
import { imageFuzzer } from './fuzz.ts';
import { shapes } from './shapes.ts';

describe('mutated images', () => {
  test.each(shapes())('the seed %s is valid', (_, bytes) => {
    expect(load(bytes, guest()).segments.length).toBeGreaterThan(0);
  });

  test('3,000 of them are refused or planned, never more', () => {
    const one = imageFuzzer(20_260_101);
    const count = { plan: 0, refused: 0, problem: 0 };
    for (let i = 0; i < 3000; i++) {
      const { verdict, shape, problem } = one(i);
      expect(problem, `${i}, ${shape}`).toBeUndefined();
      count[verdict]++;
    }
    // Both ways out are exercised.
    expect(Math.min(count.plan, count.refused)).toBeGreaterThan(300);
  });

  test('a seed gives the same images again, and a number the same one alone', () => {
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const once = numbers.map(imageFuzzer(7));
    expect(numbers.map(imageFuzzer(7))).toEqual(once);
    expect(imageFuzzer(7)(31)).toEqual(once[31]);
  });
});
