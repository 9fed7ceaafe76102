import { describe, expect, it } from 'vitest';
import { byTurn } from './turn.ts';

describe('the turns of long files', () => {
  const files = ['a', 'b', 'c', 'd', 'e'];

  it('take each file on one of three days', () => {
    const days = ['20261201', '20261202', '20261203'].map((day) => byTurn(files, day).taken);
    expect(days).toEqual([['c'], ['a', 'd'], ['b', 'e']]);
    expect(byTurn(files, '20261203').left).toEqual([...days[0]!, ...days[1]!].sort());
  });

  it('take all where no day is named', () => {
    expect(byTurn(files, undefined)).toEqual({ taken: files, left: [] });
  });
});
