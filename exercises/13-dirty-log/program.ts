/** Exercise 13: the dirty log: which pages has the guest written since the last look? */
import { decodeExit, flags, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  'a20040', // mov [0x4000], al
  'a20070', // mov [0x7000], al
  'e680', // out 0x80, al: the first look
  'a20090', // mov [0x9000], al
  'f4', // hlt: the second look
];
const { LOG_DIRTY_PAGES } = flags.MEMORY_REGION_FLAGS;

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024); // 16 pages
const bitmap = Mapping.anonymous(4096); // for KVM to write to: bit n is page n of the slot
vm.setTssAddr(0xfeff_d000);
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);
const slot = { slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram };

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);

// ▼ Your part: set `slot` so that KVM logs writes to it (LOG_DIRTY_PAGES). Run the guest to its OUT, get the log with
//   vm.getDirtyLog(0, bitmap), and print the pages, as in "pages 4 7". Then the same once more, to its HLT.
//- vm.setUserMemoryRegion(slot);
//- vcpu.run();
//- console.log('pages');
vm.setUserMemoryRegion({ ...slot, flags: LOG_DIRTY_PAGES });
for (let look = 0; look < 2; look++) {
  vcpu.run();
  vm.getDirtyLog(0, bitmap);
  const pages = [];
  for (let page = 0; page < 16; page++) if ((bitmap.bytes[page >> 3] ?? 0) & (1 << (page & 7))) pages.push(page);
  console.log(`pages ${pages.join(' ')}`);
}
// ▲ End of your part.

console.log(`ended at ${decodeExit(vcpu.area).reason}`);
