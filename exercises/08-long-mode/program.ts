/** Exercise 8: long mode: page tables, and three registers. */
import { decodeExit, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const [PML4, PDPT, PD] = [0x3000, 0x4000, 0x5000];
const GUEST = [
  '48b8efcdab8967452301', // mov rax, 0x0123456789abcdef
  '48a30000200000000000', // mov [0x200000], rax
  'f4', // hlt
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(4 * 2 ** 20);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);
const memory = new DataView(ram.bytes.buffer, ram.bytes.byteOffset, ram.length);

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
vcpu.setCpuid2(kvm.getSupportedCpuid()); // without it the processor has no long mode
const sregs = vcpu.getSregs();
const flat = { base: 0n, limit: 0xffff_ffff, present: 1, s: 1, g: 1 };
Object.assign(sregs.cs, { ...flat, selector: 8, type: 0xb, l: 1, db: 0 });
for (const data of [sregs.ds, sregs.ss]) Object.assign(data, { ...flat, selector: 16, type: 3, db: 1 });

// ▼ Your part: tables that map the first 4 MiB as they are: PML4 leads to PDPT, PDPT to PD, and two entries of PD are pages of
//   2 MiB (memory.setBigUint64(address, entry, true); bit 0 present, 1 writable, 7 large). Then CR3, CR4.PAE (bit 5), EFER.LME
//   and LMA (bits 8 and 10), CR0.PE and PG (bits 0 and 31).
memory.setBigUint64(PML4, BigInt(PDPT) | 3n, true);
memory.setBigUint64(PDPT, BigInt(PD) | 3n, true);
memory.setBigUint64(PD, 0x83n, true);
memory.setBigUint64(PD + 8, 0x20_0083n, true);
sregs.cr3 = BigInt(PML4);
sregs.cr4 |= 1n << 5n;
sregs.efer |= (1n << 8n) | (1n << 10n);
sregs.cr0 |= (1n << 31n) | 1n;
// ▲ End of your part.

vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);
while (!vcpu.run());
console.log(`${decodeExit(vcpu.area).reason}; at 2 MiB is 0x${memory.getBigUint64(0x20_0000, true).toString(16)}`);
