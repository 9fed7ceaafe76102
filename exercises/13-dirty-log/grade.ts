import { calls, done, type Exercise, numberOf, type Observation } from '../exercise.ts';

const lines = ({ stdout }: Observation) => stdout.split('\n').filter((line) => /^pages\b/.test(line));
const logged = (seen: Observation) =>
  done(seen, 'KVM_SET_USER_MEMORY_REGION').some((call) => numberOf(call, 'flags') & 1);
/** Whether a line has exactly the pages of the log, which has what the guest wrote, and maybe more. */
function tells(seen: Observation, look: number, ...written: readonly number[]) {
  const pages = seen.logs[look]?.pages ?? [];
  const right = lines(seen)[look] === `pages ${pages.join(' ')}` && written.every((page) => pages.includes(page));
  return right || { line: lines(seen)[look] ?? '-', log: pages.join(' ') || '-' };
}
const looks = (seen: Observation) => calls(seen, 'KVM_GET_DIRTY_LOG');

export const DIRTY_LOG: Exercise = {
  slug: 'dirty-log',
  lesson: '07-checkpoints',
  early: ['flag', 'look'],
  checks: {
    flag: (seen) => logged(seen),
    look: (seen) => looks(seen).length > 0,
    'before-run': (seen) => looks(seen)[0]!.at > (seen.runs[0]?.at ?? Number.POSITIVE_INFINITY),
    first: (seen) => tells(seen, 0, 4, 7),
    'second-run': (seen) => seen.runs.at(-1)?.exit === 'HLT' || { exit: seen.runs.at(-1)?.exit ?? '-' },
    second: (seen) => tells(seen, 1, 9),
  },
};
