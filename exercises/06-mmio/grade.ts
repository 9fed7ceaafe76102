import { type Exercise, type Observation, printedNumber } from '../exercise.ts';

const IDENTITY = '504c4d56';
const answer = ({ runs }: Observation) => runs.find(({ mmio }) => mmio && !mmio.write)?.given;
const written = ({ runs }: Observation) => runs.find(({ mmio }) => mmio?.write)?.mmio?.data;

export const MMIO: Exercise = {
  slug: 'mmio',
  lesson: '04-exits',
  early: ['unanswered', 'one-byte', 'order'],
  checks: {
    unanswered: (seen) => (answer(seen) ?? '00000000') !== '00000000',
    'one-byte': (seen) => !/^500{6}$/.test(answer(seen) ?? '') || { answer: answer(seen)! },
    order: (seen) => answer(seen) !== '564d4c50',
    answer: (seen) => answer(seen) === IDENTITY || { answer: answer(seen) ?? '-' },
    lamp: (seen) =>
      (written(seen) === '514c4d56' && printedNumber(seen, 0x564d_4c51)) || { written: written(seen) ?? '-' },
  },
};
