import { type Exercise, type Observation, printedNumber } from '../exercise.ts';

/** What the guest got at each IN, as numbers. */
const given = ({ runs }: Observation) =>
  runs.filter(({ io }) => io && !io.out).map((run) => Number.parseInt(run.given ?? '0', 16));
const written = ({ runs }: Observation) => runs.find(({ io }) => io?.out)?.io?.data;

export const PORTS: Exercise = {
  slug: 'ports',
  lesson: '04-exits',
  early: ['first', 'second'],
  checks: {
    first: (seen) => given(seen)[0] === 19 || { got: given(seen)[0] ?? '-' },
    second: (seen) => given(seen)[1] === 23 || { got: given(seen)[1] ?? '-' },
    sum: (seen) => written(seen) === '2a',
    printed: (seen) => printedNumber(seen, 42),
  },
};
