/** Exercise 3: a vCPU, its registers, and KVM_RUN. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  '01d8', // add ax, bx
  'a30020', // mov [0x2000], ax
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000); // Intel hosts need three pages of their own for real mode
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
const regs = vcpu.getRegs();

// ▼ Your part: the vCPU is as after a reset, 16 bytes below 4 GiB. Make it start at 0x1000 with 40 in RAX and 2 in RBX, and
//   RFLAGS 2. In real mode an address is the base of a segment plus an offset. Registers are bigints: 2n.
sregs.cs.base = 0n;
sregs.cs.selector = 0;
vcpu.setSregs(sregs);
regs.rip = BigInt(CODE);
regs.rax = 40n;
regs.rbx = 2n;
regs.rflags = 2n;
vcpu.setRegs(regs);
// ▲ End of your part.

vcpu.run();
console.log(`KVM_RUN came back: ${decodeExit(vcpu.area).reason}`);
console.log(`rax ${vcpu.getRegs().rax}, in memory at 0x2000: ${ram.bytes[0x2000]}`);
