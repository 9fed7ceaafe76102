/** Exercise 7: from real to protected mode: one bit in CR0, and segments that are 32 bits wide and reach everything. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  'b878563412', // mov eax, 0x12345678
  'a300001000', // mov [0x100000], eax
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(2 * 2 ** 20);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();

// ▼ Your part: the guest is 32-bit code, and writes at 1 MiB. Switch protected mode on (CR0.PE, bit 0) and fill CS, DS and SS:
//   base, limit (in bytes), selector, type (0xb code, 3 data), present, s, g (limit in pages), db (32 bits).
const flat = { base: 0n, limit: 0xffff_ffff, present: 1, s: 1, g: 1, db: 1 };
sregs.cr0 |= 1n;
Object.assign(sregs.cs, { ...flat, selector: 8, type: 0xb });
Object.assign(sregs.ds, { ...flat, selector: 16, type: 3 });
Object.assign(sregs.ss, { ...flat, selector: 16, type: 3 });
// ▲ End of your part.

vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);
while (!vcpu.run());
const there = new DataView(ram.bytes.buffer, ram.bytes.byteOffset).getUint32(0x10_0000, true);
console.log(`${decodeExit(vcpu.area).reason}; at 0x100000 is 0x${there.toString(16)}`);
