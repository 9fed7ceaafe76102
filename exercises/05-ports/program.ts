/** Exercise 5: a device behind two ports. The guest reads two numbers from port 0x10 and writes their sum to port 0x11. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  'e410', // in al, 0x10
  '88c3', // mov bl, al
  'e410', // in al, 0x10
  '00d8', // add al, bl
  'e611', // out 0x11, al
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024);
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

const numbers = [19, 23];
let sum = 0;
for (let halted = false; !halted; ) {
  if (!vcpu.run()) continue;
  const exit = decodeExit(vcpu.area);
  halted = exit.reason !== 'IO';
  if (exit.reason !== 'IO') continue;
  const data = vcpu.area.ioData;
  // ▼ Your part: exit.detail.direction is 0 for IN and 1 for OUT. Give the guest the next of `numbers` at each IN; put what
  //   it writes to port 0x11 into `sum`.
  if (exit.detail.direction === 0) data[0] = numbers.shift() ?? 0;
  else sum = data[0] ?? 0;
  // ▲ End of your part.
}
console.log(`the sum is ${sum}`);
