/** Exercise 2: guest memory is memory of this process, lent in slots. Two slots that KVM takes, three that it refuses. */
import { Kvm, KvmError, Mapping } from 'vmlapse';

const KIB = 1024;
const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(128 * KIB);

const slots = [
  { slot: 0, flags: 0, gpa: 0, size: 64 * KIB, mapping: ram, offset: 0 },
  // ▼ Your part: slot 1 directly behind slot 0, with the other half of `ram`. Then three that KVM refuses, as slot 2: one over
  //   slot 1 (EEXIST), one whose address is not a multiple of a page, one whose size is not (EINVAL).
  { slot: 1, flags: 0, gpa: 64 * KIB, size: 64 * KIB, mapping: ram, offset: 64 * KIB },
  { slot: 2, flags: 0, gpa: 96 * KIB, size: 64 * KIB, mapping: ram, offset: 0 },
  { slot: 2, flags: 0, gpa: 0x10_0800, size: 64 * KIB, mapping: ram, offset: 0 },
  { slot: 2, flags: 0, gpa: 0x10_0000, size: 1000, mapping: ram, offset: 0 },
  // ▲ End of your part.
];

for (const slot of slots) {
  const what = `slot ${slot.slot} at 0x${slot.gpa.toString(16)}, ${slot.size} bytes`;
  try {
    vm.setUserMemoryRegion(slot);
    console.log(`${what}: done`);
  } catch (error) {
    if (!(error instanceof KvmError)) throw error;
    console.log(`${what}: ${error.code}, ${error.hint}`);
  }
}
