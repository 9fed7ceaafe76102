/** Lesson 9: from real to long mode. A processor starts with 16-bit code; tables and three registers make it a 64-bit one. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GDT = 0x2000;
const PML4 = 0x3000;
using kvm = Kvm.open();
using vm = kvm.createVm();
using ram = Mapping.anonymous(4 * 2 ** 20);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
const memory = new DataView(ram.bytes.buffer, ram.bytes.byteOffset, ram.length);
const u64 = (gpa: number, value: bigint) => memory.setBigUint64(gpa, value, true);

// 1. Page tables. A PML4 entry leads to a PDPT, that to a page directory, that to a page of 2 MiB: here, the first one.
const PRESENT_WRITABLE = 0b11n;
const LARGE = 1n << 7n;
u64(PML4, BigInt(PML4 + 0x1000) | PRESENT_WRITABLE);
u64(PML4 + 0x1000, BigInt(PML4 + 0x2000) | PRESENT_WRITABLE);
u64(PML4 + 0x2000, PRESENT_WRITABLE | LARGE);
u64(PML4 + 0x2008, PRESENT_WRITABLE | LARGE); // 2 MiB to 4 MiB show the first 2 MiB once more

// 2. A GDT: an empty descriptor, 64-bit code (the L bit, 53, says so), data.
u64(GDT + 8, 0x00af_9b00_0000_ffffn);
u64(GDT + 16, 0x00cf_9300_0000_ffffn);

// 3. The same bytes mean different things in each mode: 48 is "dec ax" in 16-bit code, and a prefix in 64-bit code.
ram.bytes.set(Buffer.from('48b8efcdab8967452301a300002000000000004889c3f4', 'hex'), CODE);
// mov rax, 0x0123456789abcdef; mov [0x200000], eax; mov rbx, rax; hlt

using vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
vcpu.setCpuid2(kvm.getSupportedCpuid()); // without it the processor has no long mode
const sregs = vcpu.getSregs();
console.log(`at reset: cr0 0x${sregs.cr0.toString(16)}, efer 0x${sregs.efer.toString(16)}`);

// 4. What a boot loader does step by step: CR4.PAE, CR3, EFER.LME, then CR0.PG and PE, then a far jump to 64-bit code.
sregs.cr3 = BigInt(PML4);
sregs.cr4 = 1n << 5n; // PAE
sregs.cr0 = (1n << 31n) | (1n << 4n) | 1n; // PG, ET, PE
sregs.efer = (1n << 8n) | (1n << 10n); // LME, and LMA, which the processor sets itself when paging goes on
sregs.gdt.base = BigInt(GDT);
sregs.gdt.limit = 3 * 8 - 1;
const flat = { base: 0n, limit: 0xffff_ffff, present: 1, s: 1, g: 1 };
Object.assign(sregs.cs, { ...flat, selector: 8, type: 0xb, l: 1, db: 0 });
for (const name of ['ds', 'es', 'ss'] as const) Object.assign(sregs[name], { ...flat, selector: 16, type: 3, db: 1 });
vcpu.setSregs(sregs);

const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);
while (!vcpu.run());
console.log(`in long mode: ${decodeExit(vcpu.area).reason}, rbx 0x${vcpu.getRegs().rbx.toString(16)}`);

// 5. The guest wrote at linear 0x200000. KVM walks its page tables for us: which memory is that?
const { physical } = vcpu.translate(0x20_0000n);
console.log(`linear 0x200000 is guest-physical 0x${physical.toString(16)}`);
console.log(`there: 0x${memory.getUint32(physical, true).toString(16)}`);
