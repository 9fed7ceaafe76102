import { type Call, calls, done, type Exercise, type Observation } from '../exercise.ts';

interface Leaf {
  readonly function: number;
  readonly ecx: number;
}
const leaves = (call: Call | undefined) =>
  (call?.arg as unknown as { entries?: readonly Leaf[] } | undefined)?.entries ?? [];
const given = (seen: Observation) => leaves(done(seen, 'KVM_SET_CPUID2').at(-1));
const supported = (seen: Observation) => leaves(done(seen, 'KVM_GET_SUPPORTED_CPUID').at(-1));
const extended = (list: readonly Leaf[]) => list.find((leaf) => leaf.function === 0x8000_0001)?.ecx ?? 0;

export const CPUID: Exercise = {
  slug: 'cpuid',
  lesson: '09-long-mode',
  look: [{ base: 0x2000, length: 16 }],
  early: ['not-set', 'refused', 'lost'],
  checks: {
    'not-set': (seen) => calls(seen, 'KVM_SET_CPUID2').length > 0,
    refused: (seen) => given(seen).length > 0,
    lost: (seen) =>
      given(seen).length >= supported(seen).length || { given: given(seen).length, supported: supported(seen).length },
    name: ({ memory: [bytes = ''] }) => {
      const name = Buffer.from(bytes ?? '', 'hex').toString('latin1', 0, 12);
      return name === 'vmlapse*12ch' || { name };
    },
    lahf: (seen) => (extended(given(seen)) & 1) === 0,
    others: (seen) => (extended(given(seen)) | 1) === (extended(supported(seen)) | 1),
  },
};
