/** Exercise 10: an interrupt by hand. A guest that has interrupts off does not take one. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const HANDLER = 0x3000;
const VECTOR = 0x20;
const GUEST = [
  'b031e6e9', // mov al, '1'; out 0xe9, al: interrupts are off
  'fb90b90010e2fefa', // sti; nop; mov cx, 0x1000; loop; cli: interrupts are on for a while, and nothing exits
  'b032e6e9', // mov al, '2'; out 0xe9, al
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);
ram.bytes.set(Buffer.from('b021e6e9cf', 'hex'), HANDLER); // mov al, '!'; out 0xe9, al; iret
new DataView(ram.bytes.buffer, ram.bytes.byteOffset).setUint32(VECTOR * 4, HANDLER, true); // the vector: 0000:3000

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rsp: 0x8000n, rflags: 2n });
vcpu.setRegs(regs);

const { head } = vcpu.area; // the fixed fields of kvm_run
let pending = false; // a device wants an interrupt
let printed = '';
for (let halted = false; !halted; ) {
  if (!vcpu.run()) continue;
  const exit = decodeExit(vcpu.area);
  halted = exit.reason === 'HLT';
  if (exit.reason === 'IO') {
    printed += String.fromCharCode(vcpu.area.ioData[0] ?? 0);
    if (printed === '1') pending = true; // the device's moment, and the guest has interrupts off
  }
  // ▼ Your part: while an interrupt is pending, ask with head.request_interrupt_window = 1 for an exit as soon as the guest can
  //   take it. When head.ready_for_interrupt_injection says so, call vcpu.interrupt(VECTOR), once, and take the request back.
  if (pending && head.ready_for_interrupt_injection) {
    vcpu.interrupt(VECTOR);
    pending = false;
  }
  head.request_interrupt_window = pending ? 1 : 0;
  // ▲ End of your part.
}
console.log(`the guest printed ${printed}`);
