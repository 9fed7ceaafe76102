/** Exercise 12: what the guest's processor says about itself is a table that this program gives to KVM. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  '66b800000040', // mov eax, 0x40000000
  '0fa2', // cpuid
  '66891e0020', // mov [0x2000], ebx
  '66890e0420', // mov [0x2004], ecx
  '6689160820', // mov [0x2008], edx
  '66b801000080', // mov eax, 0x80000001
  '0fa2', // cpuid
  '66890e0c20', // mov [0x200c], ecx
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);
const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());

// The answer of leaf 0x40000000, EBX, ECX and EDX, is by custom the hypervisor's name.
const name = Buffer.from('vmlapse*12ch');
const [ebx, ecx, edx] = [name.readUInt32LE(0), name.readUInt32LE(4), name.readUInt32LE(8)];

const leaves = kvm.getSupportedCpuid();
// ▼ Your part: each leaf is { function, index, flags, eax, ebx, ecx, edx }. In the list, put our name into leaf 0x40000000, and
//   take LAHF away: bit 0 of ECX in leaf 0x80000001. All others stay. Then give the list to the vCPU: vcpu.setCpuid2(list).
const changed = leaves.map((leaf) => {
  if (leaf.function === 0x4000_0000) return { ...leaf, ebx, ecx, edx };
  if (leaf.function === 0x8000_0001) return { ...leaf, ecx: (leaf.ecx & ~1) >>> 0 };
  return leaf;
});
vcpu.setCpuid2(changed);
// ▲ End of your part.

const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);
while (!vcpu.run());
const found = Buffer.from(ram.bytes.subarray(0x2000, 0x2010));
console.log(`${decodeExit(vcpu.area).reason}; hypervisor "${found.toString('latin1', 0, 12)}"`);
console.log(`LAHF: ${found.readUInt32LE(12) & 1 ? 'yes' : 'no'}`);
