import { describe, expect, it } from 'vitest';
import { StoreFuzzer } from './fuzz.ts';

describe('damaged stores', () => {
  it('100 of them are read or refused, never more', () => {
    using stores = new StoreFuzzer(20_260_101);
    const answers = Array.from({ length: 100 }, (_, number) => stores.run(number));
    // Both ways out are exercised.
    expect(answers.filter((answer) => answer === 'none').length).toBeGreaterThan(5);
    expect(answers.filter((answer) => answer !== 'none').length).toBeGreaterThan(30);
  });

  it('a seed damages the same bytes again, and a number alone', () => {
    using once = new StoreFuzzer(7);
    using again = new StoreFuzzer(7);
    const answers = Array.from({ length: 30 }, (_, number) => once.run(number));
    expect(Array.from({ length: 30 }, (_, number) => again.run(29 - number)).reverse()).toEqual(answers);
  });
});
