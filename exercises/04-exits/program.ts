/** Exercise 4: why KVM_RUN came back stands in kvm_run, the memory that the kernel and this program share. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  'b048baf803ee', // mov al, 'H'; mov dx, 0x3f8; out dx, al
  'b83412e780', // mov ax, 0x1234; out 0x80, ax
  'be0020b90300bae900fcf36e', // mov si, 0x2000; mov cx, 3; mov dx, 0xe9; cld; rep outsb
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);
ram.bytes.set(Buffer.from('KVM'), 0x2000);

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);

for (let halted = false; !halted; ) {
  if (!vcpu.run()) continue; // a signal brought it back: there is no exit to look at
  const exit = decodeExit(vcpu.area);
  halted = exit.reason !== 'IO';
  if (exit.reason !== 'IO') continue;
  // ▼ Your part: print a line for each OUT: the port and all of its data, in hex, as in "OUT 0x3f8 48". exit.detail has port,
  //   size, count and data_offset; vcpu.area.bytes is kvm_run, and vcpu.area.ioData the data in it.
  console.log(`OUT 0x${exit.detail.port.toString(16)} ${Buffer.from(vcpu.area.ioData).toString('hex')}`);
  // ▲ End of your part.
}
console.log('the guest halted');
