/** Exercise 11: model-specific registers: set one, let the guest read and change it, get it back. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const LSTAR = 0xc000_0082;
const GUEST = [
  '66b9820000c0', // mov ecx, 0xc0000082
  '0f32', // rdmsr: the value into edx and eax
  '66a30020', // mov [0x2000], eax
  '6689160420', // mov [0x2004], edx
  '6640', // inc eax
  '0f30', // wrmsr
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
vcpu.setCpuid2(kvm.getSupportedCpuid());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);

// ▼ Your part: set the MSR LSTAR to 0x7f12_3456_789a (vcpu.setMsrs takes a list of { index, value }), run the guest once
//   with vcpu.run(), and get the MSR's value after it into `after` (vcpu.getMsrs takes a list of indices).
//- const after = 0n;
vcpu.setMsrs([{ index: LSTAR, value: 0x7f12_3456_789an }]);
vcpu.run();
const after = vcpu.getMsrs([LSTAR])[0]?.value ?? 0n;
// ▲ End of your part.

const low = new DataView(ram.bytes.buffer, ram.bytes.byteOffset).getBigUint64(0x2000, true);
console.log(`${decodeExit(vcpu.area).reason}; the guest read 0x${low.toString(16)}`);
console.log(`after it, MSR 0x${LSTAR.toString(16)} is 0x${after.toString(16)}`);
