import type { Exercise, Observation } from '../exercise.ts';

/** What the guest got at each IN from the counter. */
const reads = ({ runs }: Observation) =>
  runs.filter(({ io }) => io && !io.out && io.port === 0x9a40).map(({ given = '' }) => Number.parseInt(given, 16));
const is = (found: readonly number[], ...wanted: readonly number[]) => found.join() === wanted.join();

export const DEVICE: Exercise = {
  slug: 'device',
  lesson: '04-exits',
  checks: {
    constant: (seen) => new Set(reads(seen)).size > 1 || { first: reads(seen)[0] ?? '-' },
    first: (seen) => reads(seen)[0] === 1 || { first: reads(seen)[0]! },
    counting: (seen) => is(reads(seen).slice(0, 4), 1, 2, 3, 4) || { reads: reads(seen).slice(0, 4).join(' ') },
    'not-saved': (seen) => !is(reads(seen), 1, 2, 3, 4, 5, 6),
    rollback: (seen) => is(reads(seen), 1, 2, 3, 4, 3, 4) || { reads: reads(seen).join(' ') },
  },
};
