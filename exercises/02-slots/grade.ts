import { constants } from 'node:os';
import { type Call, calls, type Exercise, hex, numberOf, type Observation } from '../exercise.ts';

const { EEXIST, EINVAL } = constants.errno;
const PAGE = 4096;
const HALF = 0x1_0000;

const slots = (seen: Observation) => calls(seen, 'KVM_SET_USER_MEMORY_REGION');
const refused = (seen: Observation, errno: number, why: (call: Call) => boolean) =>
  slots(seen).some((call) => call.result === -errno && why(call));
const address = (call: Call) => numberOf(call, 'guest_phys_addr');
const size = (call: Call) => numberOf(call, 'memory_size');

export const SLOTS: Exercise = {
  slug: 'slots',
  lesson: '02-memory',
  checks: {
    second: (seen) =>
      slots(seen).some(
        (call) => call.result >= 0 && numberOf(call, 'slot') === 1 && address(call) === HALF && size(call) === HALF,
      ),
    'same-memory': (seen) => {
      const [first, second] = [0, 1].map((slot) =>
        slots(seen).find((call) => numberOf(call, 'slot') === slot && call.result >= 0),
      );
      return !first || !second || numberOf(second, 'userspace_addr') === numberOf(first, 'userspace_addr') + HALF;
    },
    accepted: (seen) => {
      const third = slots(seen).find((call) => call.result >= 0 && numberOf(call, 'slot') > 1);
      return !third || { address: hex(address(third)), size: size(third) };
    },
    overlap: (seen) => refused(seen, EEXIST, () => true),
    unaligned: (seen) => refused(seen, EINVAL, (call) => address(call) % PAGE !== 0),
    'odd-size': (seen) => refused(seen, EINVAL, (call) => address(call) % PAGE === 0 && size(call) % PAGE !== 0),
  },
};
