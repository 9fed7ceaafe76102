/** Exercise 15: a vCPU is saved and loaded. The order in which its parts are loaded matters. */
import { decodeExit, flags, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const HANDLER = 0x3000;
const GUEST = [
  'b031e6e9', // mov al, '1'; out 0xe9, al
  'b032e6e9', // mov al, '2'; out 0xe9, al
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.enableCap('KVM_CAP_EXCEPTION_PAYLOAD', 1n); // an exception that is on its way is told as such
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);
ram.bytes.set(Buffer.from('b021e6e9cf', 'hex'), HANDLER); // of vector 6: mov al, '!'; out 0xe9, al; iret
new DataView(ram.bytes.buffer, ram.bytes.byteOffset).setUint32(6 * 4, HANDLER, true);

// The vCPU that is saved: at its start, with an exception that is on its way to the guest and not there yet.
const old = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = old.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
old.setSregs(sregs);
const regs = old.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rsp: 0x8000n, rflags: 2n });
old.setRegs(regs);
const events = old.getVcpuEvents();
Object.assign(events.exception, { pending: 1, nr: 6 });
events.flags |= flags.VCPU_EVENT_FLAGS.PAYLOAD;
old.setVcpuEvents(events);

// ▼ Your part: save registers, special registers and events of `old` (getRegs, getSregs, getVcpuEvents), and load them into
//   `vcpu` (setRegs, setSregs, setVcpuEvents), in an order that loses nothing.
//- const vcpu = vm.createVcpu(1, kvm.getVcpuMmapSize());
const saved = { regs: old.getRegs(), sregs: old.getSregs(), events: old.getVcpuEvents() };
const vcpu = vm.createVcpu(1, kvm.getVcpuMmapSize());
vcpu.setSregs(saved.sregs);
vcpu.setRegs(saved.regs);
vcpu.setVcpuEvents(saved.events);
// ▲ End of your part.

let printed = '';
for (let exits = 0; exits < 10; exits++) {
  if (!vcpu.run()) continue;
  if (decodeExit(vcpu.area).reason !== 'IO') break;
  printed += String.fromCharCode(vcpu.area.ioData[0] ?? 0);
}
console.log(`the guest printed ${printed}`);
