import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { caseSeed, parseCampaign, repeats, seedOfToday } from './campaign.ts';

describe('the command line of a campaign', () => {
  it('is a count, a seed with the first case, and a kind; all may be left out', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date(2026, 0, 31) });
    onTestFinished(() => void vi.useRealTimers());
    expect(parseCampaign('fuzz', [], 300)).toEqual({ name: 'fuzz', count: 300, seed: 20_260_131, first: 0 });
    expect(parseCampaign('fuzz', ['5', '77'], 300)).toMatchObject({ count: 5, seed: 77, first: 0 });
    expect(parseCampaign('fuzz', ['5', '77:8', 'stores'], 300, ['images', 'stores'])).toEqual({
      name: 'fuzz',
      count: 5,
      seed: 77,
      first: 8,
      kind: 'stores',
    });
  });

  it.each([['0'], ['-1'], ['many'], ['1', 'x'], ['1', '2:'], ['1', '2', 'other'], ['1', '2', 'images', 'more']])(
    'refuses %s %s %s %s',
    (...words) => {
      expect(parseCampaign('fuzz', words, 300, ['images'])).toEqual(expect.any(String));
    },
  );

  it('is printed again for one case', () => {
    const campaign = parseCampaign('fuzz', ['500', '77:8'], 300, ['stores']);
    if (typeof campaign === 'string') throw new Error(campaign);
    const [command, ...words] = repeats(campaign, 123, 'stores').split(' -- ')[1]!.split(' ');
    expect([command, ...words]).toEqual(['1', '77:123', 'stores']);
    expect(parseCampaign('fuzz', [command!, ...words], 300, ['stores'])).toMatchObject({ count: 1, first: 123 });
  });
});

describe('seeds', () => {
  it('change by the day and by the case', () => {
    expect(seedOfToday(new Date(2026, 0, 31))).toBe(20_260_131);
    const seeds = Array.from({ length: 1000 }, (_, number) => caseSeed(20_260_131, number));
    expect(new Set([...seeds, ...seeds.map((_, number) => caseSeed(20_260_201, number))]).size).toBe(2000);
    expect(caseSeed(20_260_131, 5)).toBe(seeds[5]);
  });
});
