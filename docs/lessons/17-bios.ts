/** Lesson 17: a BIOS made of exits. Each interrupt vector leads to three bytes of code, which come back to us. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const BOOT = 0x7c00;
const STUBS = 0xf000;
const GUEST = [
  'b8480ecd10', // mov ax, 0x0e48; int 0x10: print 'H'
  'b069cd10', // mov al, 'i'; int 0x10
  'cd1289c3', // int 0x12; mov bx, ax: KiB of memory
  'b80053cd15', // mov ax, 0x5300; int 0x15: is there power management?
  '7305b8210ecd10', // jnc over; mov ax, 0x0e21; int 0x10: no, print '!'
  'f4', // hlt
];
using kvm = Kvm.open();
using vm = kvm.createVm();
using ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), BOOT);
const memory = new DataView(ram.bytes.buffer, ram.bytes.byteOffset, ram.length);

// 1. INT n jumps through the vector at 4 n: a segment and an offset. Each leads to "out n, al; iret".
for (let n = 0; n < 256; n++) {
  const stub = STUBS + 4 * n;
  memory.setUint32(4 * n, stub, true);
  ram.bytes.set([0xe6, n, 0xcf], stub);
}

// 2. A vCPU as a BIOS leaves it: real mode, at the boot sector, with a stack below it.
using vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
vcpu.setRegs(Object.assign(vcpu.getRegs(), { rip: BigInt(BOOT), rsp: BigInt(BOOT), rflags: 2n }));

// 3. The services, by vector. They get the caller's registers, and change them.
type Regs = ReturnType<typeof vcpu.getRegs>;
let screen = '';
const SERVICES: Record<number, (regs: Regs) => void> = {
  16: ({ rax }) => (screen += String.fromCharCode(Number(rax & 0xffn))),
  18: (regs) => (regs.rax = (regs.rax & ~0xffffn) | 640n),
};

// 4. The port of an exit is the vector. Complete the OUT, serve, and answer in the flags that IRET will take from the stack.
while (vcpu.run() && decodeExit(vcpu.area).reason === 'IO') {
  const vector = vcpu.area.ioPort;
  vcpu.area.immediateExit = true;
  vcpu.run();
  vcpu.area.immediateExit = false;
  const regs = vcpu.getRegs();
  const [stack, ax] = [Number(regs.rsp), Number(regs.rax & 0xffffn)];
  const service = SERVICES[vector];
  service?.(regs);
  vcpu.setRegs(regs);
  memory.setUint16(stack + 4, (memory.getUint16(stack + 4, true) & ~1) | (service ? 0 : 1), true);
  const from = (memory.getUint16(stack, true) - 2).toString(16);
  console.log(`0x${from}: INT ${vector.toString(16)}h AX=${ax.toString(16)}h${service ? '' : ': not there'}`);
}
console.log(`the screen says "${screen}", and the guest knows of ${vcpu.getRegs().rbx & 0xffffn} KiB`);
