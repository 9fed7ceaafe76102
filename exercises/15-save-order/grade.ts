import { type Call, done, type Exercise, field, type Observation } from '../exercise.ts';

/** The vCPU that ran. */
const fd = ({ runs: [run] }: Observation) => run?.fd;
const loads = (seen: Observation, name: Call['name']) => done(seen, name).filter((call) => call.fd === fd(seen));
const text = ({ runs }: Observation) =>
  runs.flatMap(({ io }) => (io?.out ? [Buffer.from(io.data, 'hex').toString('latin1')] : [])).join('');
const pending = (call: Call) => Number((field(call, 'exception') as { pending?: number }).pending);

export const SAVE_ORDER: Exercise = {
  slug: 'save-order',
  lesson: '07-checkpoints',
  early: ['same-vcpu', 'registers', 'events', 'saved-late', 'order'],
  checks: {
    'same-vcpu': (seen) => done(seen, 'KVM_CREATE_VCPU').every(({ result }, i) => i > 0 || result !== fd(seen)),
    registers: (seen) => (['KVM_SET_REGS', 'KVM_SET_SREGS'] as const).every((name) => loads(seen, name).length > 0),
    events: (seen) => loads(seen, 'KVM_SET_VCPU_EVENTS').length > 0 || { text: text(seen) },
    'saved-late': (seen) => loads(seen, 'KVM_SET_VCPU_EVENTS').some((call) => pending(call) === 1),
    order: (seen) =>
      loads(seen, 'KVM_SET_VCPU_EVENTS').at(-1)!.at > loads(seen, 'KVM_SET_REGS').at(-1)!.at || { text: text(seen) },
    text: (seen) => text(seen) === '!12' || { text: text(seen) },
  },
};
