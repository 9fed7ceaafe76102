/** The walks through the code lead through files that are there, and are as long as docs/reading.md says. */
import { describe, expect, it } from 'vitest';
import { linesOf, READING, recounted, walksOf } from '../../scripts/reading.ts';
import { textOf } from './pages.ts';

const walks = walksOf(textOf(READING));

describe('the page of walks', () => {
  it('has three walks, each with a limit', () => {
    expect(walks.map(({ name, limit }) => ({ name, limit }))).toEqual([
      { name: 'A', limit: 3500 },
      { name: 'B', limit: 1700 },
      { name: 'C', limit: 1700 },
    ]);
  });

  it.each(walks)('walk $name: its files are there', ({ stops }) => {
    expect(stops.filter(({ file }) => linesOf(file) === undefined).map(({ file }) => file)).toEqual([]);
  });

  it.each(walks)('walk $name: no file is more than ten lines from what the page says', ({ stops }) => {
    const wrong = stops.filter(({ file, lines }) => Math.abs((linesOf(file) ?? 0) - lines) > 10);
    expect(wrong, 'run: npm run lessons').toEqual([]);
  });

  it.each(walks)('walk $name: all its files together stay within $limit lines', ({ stops, limit }) => {
    expect(stops.length).toBeGreaterThan(8);
    expect(stops.reduce((sum, { file }) => sum + (linesOf(file) ?? 0), 0)).toBeLessThanOrEqual(limit);
  });

  it('shows no file twice', () => {
    const files = walks.flatMap(({ stops }) => stops.map(({ file }) => file));
    expect(files.filter((file, i) => files.indexOf(file) !== i)).toEqual([]);
  });
});

describe('recounting', () => {
  it('rounds to tens and keeps the rest', () => {
    const lines = linesOf('scripts/reading.ts')!;
    const row = (count: number) => `1. [\`scripts/reading.ts\`](../scripts/reading.ts), ${count} lines: what to see`;
    expect(recounted(row(9999))).toBe(row(Math.round(lines / 10) * 10));
  });
});
