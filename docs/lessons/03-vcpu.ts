/** Lesson 3: a vCPU is a set of registers and a page shared with the kernel. KVM_RUN runs it until it needs us. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const SUM = [
  '01d8', // add ax, bx
  'a30020', // mov [0x2000], ax
  'f4', // hlt
];

// 1. A VM with 64 KiB of memory from address 0, and the code in it.
using kvm = Kvm.open();
using vm = kvm.createVm();
using ram = Mapping.anonymous(64 * 1024);
vm.setTssAddr(0xfeff_d000); // Intel hosts need three pages of their own for real mode
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(SUM.join(''), 'hex'), CODE);

// 2. A vCPU, in the state of a processor after reset.
using vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const reset = vcpu.getSregs();
console.log(`after reset: cs base 0x${reset.cs.base.toString(16)}, rip 0x${vcpu.getRegs().rip.toString(16)}`);
console.log(`cr0 0x${reset.cr0.toString(16)}: paging off, protection off`);

// 3. Its registers are read, changed and written back: execution shall start at 0x1000.
reset.cs.base = 0n;
reset.cs.selector = 0;
vcpu.setSregs(reset);

const regs = vcpu.getRegs();
regs.rax = 40n;
regs.rbx = 2n;
regs.rip = BigInt(CODE);
regs.rflags = 2n; // bit 1 is always set
vcpu.setRegs(regs);

// 4. It runs until it needs us. Two answers mean that KVM could not run it: say so, and stop.
vcpu.run();
const exit = decodeExit(vcpu.area);
if (exit.reason === 'FAIL_ENTRY' || exit.reason === 'INTERNAL_ERROR')
  throw new Error(`KVM cannot run it: ${exit.reason}`);
console.log(`KVM_RUN came back: ${exit.reason}`);
const after = vcpu.getRegs();
console.log(`rax ${after.rax}, rcx ${after.rcx}, rip 0x${after.rip.toString(16)}`);
console.log(`in memory at 0x2000: ${ram.bytes[0x2000]}`);

// 5. The kvm_run page is live: what the kernel wrote there can be read without a system call.
console.log(`interrupts ${vcpu.area.head.if_flag ? 'on' : 'off'}, cr8 ${vcpu.area.head.cr8}`);
