import { describe, expect, it } from 'vitest';
import { byTurn } from './turn.ts';

describe('the turns of long files', () => {
  const files = ['a', 'b', 'c', 'd', 'e'];

  it('take each file on one of two days', () => {
    const days = ['20261130', '20261201'].map((day) => byTurn(files, day).taken);
    expect(days).toEqual([
      ['a', 'c', 'e'],
      ['b', 'd'],
    ]);
    expect(byTurn(files, '20261130').left).toEqual(days[1]);
  });

  it('take all where no day is named', () => {
    expect(byTurn(files, undefined)).toEqual({ taken: files, left: [] });
  });
});
