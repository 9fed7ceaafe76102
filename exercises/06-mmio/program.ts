/** Exercise 6: a device in memory. At 0xd0000 is an identity to read, at 0xd0004 a lamp to write; each has 32 bits. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  'b800d08ed8', // mov ax, 0xd000; mov ds, ax
  '66a10000', // mov eax, [0xd0000]
  '6640', // inc eax
  '66a30400', // mov [0xd0004], eax
  'f4', // hlt
];
const IDENTITY = 0x564d_4c50;

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024); // so 0xd0000 has no memory
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);

let lamp = 0;
for (let halted = false; !halted; ) {
  if (!vcpu.run()) continue;
  const exit = decodeExit(vcpu.area);
  halted = exit.reason !== 'MMIO';
  if (exit.reason !== 'MMIO') continue;
  const { mmioAddress, mmioIsWrite, mmioData } = vcpu.area; // mmioData are the bytes in kvm_run, live
  const register = mmioAddress - 0xd0000;
  // ▼ Your part: answer a read of register 0 with IDENTITY, and put what is written to register 4 into `lamp`. Both are 32 bits
  //   in the byte order of x86: the lowest byte comes first. A DataView over mmioData helps.
  const view = new DataView(mmioData.buffer, mmioData.byteOffset, mmioData.length);
  if (!mmioIsWrite && register === 0) view.setUint32(0, IDENTITY, true);
  if (mmioIsWrite && register === 4) lamp = view.getUint32(0, true);
  // ▲ End of your part.
}
console.log(`the lamp is 0x${lamp.toString(16)}`);
