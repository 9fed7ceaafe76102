/** Lesson 5: interrupts, by hand and by the kernel's own chips; and the guest's clock. */
import { bootImage, decodeExit, Kvm, type KvmError, load, Machine, Mapping, readImage, runHere } from 'vmlapse';
import { guestPath } from 'vmlapse/guests';

// 1. Real mode: halts with interrupts on, over and over. The handler of vector 0x20 prints an exclamation mark.
const MAIN = Buffer.from('fbf4ebfd', 'hex'); // sti; hlt; jmp back to the hlt
const HANDLER = Buffer.from('b021e6e9cf', 'hex'); // mov al, '!'; out 0xe9, al; iret

using kvm = Kvm.open();
using vm = kvm.createVm();
using ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(MAIN, 0x1000);
ram.bytes.set(HANDLER, 0x3000);
new DataView(ram.bytes.buffer, ram.bytes.byteOffset).setUint32(0x20 * 4, 0x3000, true); // the vector: 0000:3000
using vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: 0x1000n, rsp: 0x8000n, rflags: 2n });
vcpu.setRegs(regs);

// 2. Without chips in the kernel, HLT comes back to us, and we are the interrupt controller.
let printed = '';
for (let halts = 0; halts < 3; ) {
  if (!vcpu.run()) continue;
  if (decodeExit(vcpu.area).reason === 'IO') printed += String.fromCharCode(vcpu.area.ioData[0]!);
  else if (++halts < 3 && vcpu.area.head.ready_for_interrupt_injection) vcpu.interrupt(0x20);
}
console.log(`two interrupts by KVM_INTERRUPT: ${printed}`);

// 3. With them, the PIT ticks, the 8259 and the local APIC deliver, and HLT sleeps in the kernel: no exit at all.
using machine = Machine.create({ memory: 16 * 2 ** 20 });
using file = readImage(guestPath('timer-pit'));
bootImage(machine, load(file.bytes, { memoryMap: machine.memory.memoryMap }));
let output = '';
const print = (_: string, bytes: Uint8Array) => {
  output += Buffer.from(bytes);
};
const { reason, exits } = runHere(machine, { output: print });
console.log(`${output.trim().split('\n').at(-2)}; ended by ${reason}, ${exits.HLT ?? 0} HLT exits`);
try {
  using other = machine.createVcpu(1);
  other.interrupt(0x20);
} catch (error) {
  console.log((error as KvmError).message);
}

// 4. The guest's clock is the VM's, in nanoseconds, and can be set: a restored guest goes on from the saved time.
const clock = machine.vm.getClock();
clock.flags = 0;
clock.clock = 60_000_000_000n;
machine.vm.setClock(clock);
console.log(`the clock now stands at ${machine.vm.getClock().clock / 1_000_000_000n} seconds`);
