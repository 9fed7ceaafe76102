/**
 * Measuring two things against each other on a noisy machine: rounds of one and the other alternate in one run, the
 * first pair only warms up, and medians are compared. Absolute numbers of such a machine mean little, ratios do.
 */

/** The middle value; the mean of the two middle ones for an even number. NaN for no samples. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which `fraction` (0..1) of the samples lie. NaN for no samples. */
export function quantile(samples: readonly number[], fraction: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(fraction * sorted.length), sorted.length - 1)] ?? Number.NaN;
}

/** Takes one sample, in the unit of the benchmark. */
export type Sample = () => number | Promise<number>;

/**
 * Runs every contender once per round, in rotating order so that none always comes first, and returns the median of
 * each. One round more is run before and thrown away.
 */
export async function interleave<K extends string>(
  rounds: number,
  contenders: Readonly<Record<K, Sample>>,
): Promise<Record<K, number>> {
  const names = Object.keys(contenders) as K[];
  const samples = new Map<K, number[]>(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    const first = (round + 1) % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const sample = await contenders[name]();
      if (round >= 0) samples.get(name)?.push(sample);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(samples.get(name) ?? [])])) as Record<K, number>;
}
