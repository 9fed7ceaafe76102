/** Exercise 14: what the dirty log does not see: writes of this program, as a disk's or a network card's would be. */
import { flags, Kvm, Mapping } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  'e680', // out 0x80, al: the guest has begun
  'a20040', // mov [0x4000], al
  'e680', // out 0x80, al: the first round ends
  'a20060', // mov [0x6000], al
  'f4', // hlt: the second round ends
];

const kvm = Kvm.open();
const vm = kvm.createVm();
const ram = Mapping.anonymous(64 * 1024); // 16 pages
const bitmap = Mapping.anonymous(4096);
vm.setTssAddr(0xfeff_d000);
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);
const saved = Buffer.from(ram.bytes); // the first checkpoint: everything
const { LOG_DIRTY_PAGES } = flags.MEMORY_REGION_FLAGS;
vm.setUserMemoryRegion({ slot: 0, flags: LOG_DIRTY_PAGES, gpa: 0, size: ram.length, mapping: ram });

const vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rax: 7n, rflags: 2n });
vcpu.setRegs(regs);

// On some hosts a page counts as written when it is first used at all, such as that of the code: a first run has that over with.
while (!vcpu.run());
vm.getDirtyLog(0, bitmap);

const written = new Set(); // numbers of the pages that the device wrote
for (const round of [1, 2]) {
  while (!vcpu.run());
  if (round === 1) {
    ram.bytes.set(Buffer.from('a sector of the disk'), 0x5000); // the device writes into guest memory
    written.add(5);
  }
  vm.getDirtyLog(0, bitmap);
  const pages = [];
  // ▼ Your part: put the number of each page that may differ from `saved` into `pages`, in order: those that the guest wrote
  //   (bit n of bitmap.bytes), and those that the device wrote. The next round begins with nothing written.
  for (let page = 0; page < 16; page++) {
    const byGuest = ((bitmap.bytes[page >> 3] ?? 0) >> (page & 7)) & 1;
    if (byGuest || written.has(page)) pages.push(page);
  }
  written.clear();
  // ▲ End of your part.
  for (const page of pages) saved.set(ram.bytes.subarray(page * 4096, (page + 1) * 4096), page * 4096);
  console.log(
    `round ${round}: pages ${pages.join(' ')}; the copy is ${saved.equals(ram.bytes) ? 'the same' : 'different'}`,
  );
}
