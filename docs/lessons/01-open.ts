/** Lesson 1: open /dev/kvm, and ask it what it is and what it can do. */
import { CAPABILITIES, type CapabilityName, IOCTLS, ioctlNumber, Kvm, KvmError, kvmBackend } from 'vmlapse';

using kvm = Kvm.open();

// 1. Every request to KVM is an ioctl: a number on a file descriptor. The table says how the number is made.
const row = IOCTLS.KVM_GET_API_VERSION;
console.log(`KVM_GET_API_VERSION is number 0x${ioctlNumber(row).toString(16)}, on the ${row.on[0]} descriptor`);
console.log(`API version      ${kvm.getApiVersion()}`);
console.log(`KVM kind         ${kvmBackend()}`);
console.log(`kvm_run area     ${kvm.getVcpuMmapSize()} bytes`);
console.log(`MSRs to save     ${kvm.getMsrIndexList().length}`);
console.log(`CPUID leaves     ${kvm.getSupportedCpuid().length}`);

// 2. What is not in the basic API is a capability with a number; the answer is 0, 1, or more.
const ASKED: readonly CapabilityName[] = ['KVM_CAP_USER_MEMORY', 'KVM_CAP_NR_VCPUS', 'KVM_CAP_NR_MEMSLOTS'];
for (const name of ASKED) {
  const capability = `${name} (${CAPABILITIES[name].nr})`;
  console.log(`${capability.padEnd(26)} ${kvm.checkExtension(name)}`);
}

// 3. An error says which ioctl, which errno, and what usually causes it.
try {
  Kvm.open('/dev/null');
} catch (error) {
  if (!(error instanceof KvmError)) throw error;
  console.log(`${error.ioctl} on /dev/null answers ${error.code}: ${error.hint}`);
}
