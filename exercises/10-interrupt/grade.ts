import { calls, type Exercise, numberOf, type Observation } from '../exercise.ts';

const text = ({ runs }: Observation) =>
  runs
    .flatMap(({ io }) => (io?.out && io.port === 0xe9 ? [Buffer.from(io.data, 'hex').toString('latin1')] : []))
    .join('');
const injected = (seen: Observation) => calls(seen, 'KVM_INTERRUPT');
/** The run that came back before a call. */
const runBefore = ({ runs }: Observation, at: number) => runs.findLast((run) => run.at <= at);

export const INTERRUPT: Exercise = {
  slug: 'interrupt',
  lesson: '05-interrupts',
  early: ['never', 'too-early', 'again'],
  checks: {
    never: (seen) => injected(seen).length > 0 || { text: text(seen) },
    'too-early': (seen) => injected(seen).every(({ at }) => runBefore(seen, at)?.ready !== false),
    again: (seen) => injected(seen).length <= 1 || { times: injected(seen).length },
    vector: (seen) => injected(seen).every((call) => numberOf(call, 'irq') === 0x20),
    late: (seen) => text(seen) === '1!2' || { text: text(seen) },
  },
};
