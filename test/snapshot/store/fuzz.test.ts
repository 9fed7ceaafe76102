import { expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';

it('damaged and forged stores give CheckpointError or a checkpoint, quickly and in little memory', () => {
  const { answers, slowestMs, grownMiB } = fuzz(800, 7);
  expect(Object.keys(answers)).toEqual(expect.arrayContaining(['CORRUPT', 'NOT_FOUND', 'none']));
  expect(answers.CORRUPT!).toBeGreaterThan(300);
  expect(slowestMs).toBeLessThan(5000);
  expect(grownMiB).toBeLessThan(500);
});
