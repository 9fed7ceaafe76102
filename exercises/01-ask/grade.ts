import { CAPABILITIES, type CapabilityName } from '../../src/abi/capabilities.ts';
import { calls, type Exercise, type Observation } from '../exercise.ts';

const ASKED: readonly CapabilityName[] = ['KVM_CAP_NR_VCPUS', 'KVM_CAP_MAX_VCPUS', 'KVM_CAP_NR_MEMSLOTS'];

/** What KVM answered for it; undefined: it was not asked. */
const answer = (seen: Observation, name: CapabilityName): number | undefined =>
  calls(seen, 'KVM_CHECK_EXTENSION').find(({ arg }) => arg === CAPABILITIES[name].nr)?.result;

export const ASK: Exercise = {
  slug: 'ask',
  lesson: '01-open',
  checks: {
    // Kvm.open() asks, too: that one does not count.
    version: (seen) => calls(seen, 'KVM_GET_API_VERSION').length >= 2,
    capability: (seen) => {
      const name = ASKED.find((one) => answer(seen, one) === undefined);
      return name === undefined || { name, nr: CAPABILITIES[name].nr };
    },
    printed: (seen) => {
      const [recommended, most, slots] = ASKED.map((name) => answer(seen, name));
      const wanted = ['API version 12', `vCPUs: ${recommended} recommended, ${most} at most`, `memory slots: ${slots}`];
      const lines = seen.stdout.split('\n');
      const missing = wanted.find((line) => !lines.includes(line));
      return missing === undefined || { missing };
    },
  },
};
