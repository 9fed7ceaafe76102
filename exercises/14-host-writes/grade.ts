import type { Exercise, Observation } from '../exercise.ts';

/** The pages of a round, as printed. */
const pages = ({ stdout }: Observation, round: number): readonly string[] =>
  new RegExp(`^round ${round}: pages ([\\d ]*);`, 'm').exec(stdout)?.[1]?.split(' ').filter(Boolean) ?? [];
const is = (found: readonly string[], ...wanted: readonly string[]) => found.join(' ') === wanted.join(' ');

export const HOST_WRITES: Exercise = {
  slug: 'host-writes',
  lesson: '07-checkpoints',
  checks: {
    guest: (seen) => pages(seen, 1).includes('4') || { pages: pages(seen, 1).join(' ') || '-' },
    host: (seen) => pages(seen, 1).includes('5') || { pages: pages(seen, 1).join(' ') },
    'too-many': (seen) => pages(seen, 1).length <= 2 || { count: pages(seen, 1).length },
    order: (seen) => is(pages(seen, 1), '4', '5') || { pages: pages(seen, 1).join(' ') },
    again: (seen) => !pages(seen, 2).includes('5') || { pages: pages(seen, 2).join(' ') },
    second: (seen) => is(pages(seen, 2), '6') || { pages: pages(seen, 2).join(' ') || '-' },
    copy: ({ stdout }) => (stdout.match(/the copy is the same/g)?.length ?? 0) === 2,
  },
};
