/** Exercise 1: does KVM work here? From the first question to a guest that has run. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const kvm = Kvm.open();

// ▼ Your part: ask KVM for the version of its API, and for three capabilities: KVM_CAP_NR_VCPUS (how many vCPUs are
//   recommended), KVM_CAP_MAX_VCPUS (how many there may be) and KVM_CAP_NR_MEMSLOTS (how many memory slots).
//- const version = 0;
//- const recommended = 0;
//- const most = 0;
//- const slots = 0;
const version = kvm.getApiVersion();
const recommended = kvm.checkExtension('KVM_CAP_NR_VCPUS');
const most = kvm.checkExtension('KVM_CAP_MAX_VCPUS');
const slots = kvm.checkExtension('KVM_CAP_NR_MEMSLOTS');
// ▲ End of your part.

console.log(`API version ${version}`);
console.log(`vCPUs: ${recommended} recommended, ${most} at most`);
console.log(`memory slots: ${slots}`);

// The rest of the test stands as it is; the next exercises are about each of its steps. A VM, memory, a guest in it:
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from('b04be6e9f4', 'hex'), 0x1000); // mov al, 'K'; out 0xe9, al; hlt

// A vCPU that starts there, in real mode:
const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: 0x1000n, rflags: 2n });
vcpu.setRegs(regs);

// It runs until it needs us: at its OUT, and at its HLT.
for (let halted = false; !halted; ) {
  if (!vcpu.run()) continue;
  const exit = decodeExit(vcpu.area);
  halted = exit.reason !== 'IO';
  console.log(`KVM_RUN came back: ${exit.reason}`);
}
