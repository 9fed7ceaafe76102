import { type Call, calls, type Exercise, hex, type Observation, printedNumber } from '../exercise.ts';

const MSR = 0xc000_0082;
const VALUE = 0x7f12_3456_789an;

interface Entry {
  readonly index: number;
  readonly data: bigint;
}
const entries = ({ arg }: Call) => (arg as unknown as { entries?: readonly Entry[] }).entries ?? [];
const set = (seen: Observation) =>
  calls(seen, 'KVM_SET_MSRS').flatMap((call) => entries(call).map((entry) => ({ call, ...entry })));
const got = (seen: Observation) =>
  calls(seen, 'KVM_GET_MSRS').filter((call) => entries(call).some(({ index }) => index === MSR));

export const MSR_EXERCISE: Exercise = {
  slug: 'msr',
  lesson: '07-checkpoints',
  look: [{ base: 0x2000, length: 8 }],
  early: ['not-set', 'other-msr', 'value'],
  checks: {
    'not-set': (seen) => set(seen).length > 0,
    'other-msr': (seen) => set(seen).some(({ index }) => index === MSR) || { index: hex(set(seen)[0]!.index) },
    value: (seen) =>
      set(seen).some(({ index, data }) => index === MSR && data === VALUE) || { data: hex(set(seen)[0]!.data) },
    order: (seen) => (seen.runs[0]?.at ?? 0) > set(seen)[0]!.call.at,
    ran: ({ runs }) => runs.at(-1)?.exit === 'HLT',
    'read-early': (seen) => got(seen).some(({ at }) => at > seen.runs.at(-1)!.at),
    printed: (seen) => printedNumber(seen, VALUE + 1n) || { value: hex(VALUE + 1n) },
  },
};
