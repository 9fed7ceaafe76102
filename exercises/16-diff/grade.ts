import type { Exercise, Observation } from '../exercise.ts';

const tagged = ({ checkpoints }: Observation, tag: string) => checkpoints.find(({ tags }) => tags.includes(tag));
/** What is printed of a symbol that the guest changed. */
const named = ({ stdout }: Observation, name: string) => stdout.split('\n').some((line) => line.trim() === name);

export const DIFF: Exercise = {
  slug: 'diff',
  lesson: '12-diff',
  guest: 'compute-ring3',
  early: ['first'],
  checks: {
    first: (seen) => tagged(seen, 'two') !== undefined,
    second: (seen) => tagged(seen, 'three') !== undefined,
    same: (seen) => tagged(seen, 'three')!.changed.includes('compute_round'),
    silent: ({ stdout }) => stdout.trim() !== '',
    missing: (seen) => {
      const missing = tagged(seen, 'three')!.changed.filter((name) => !named(seen, name));
      return missing.length === 0 || { missing: missing.join(', ') };
    },
    exactly: (seen) => {
      const { changed } = tagged(seen, 'three')!;
      const more = seen.stdout
        .trim()
        .split('\n')
        .filter((line) => !changed.includes(line.trim()));
      return more.length === 0 || { more: more.slice(0, 3).join(', ') };
    },
  },
};
