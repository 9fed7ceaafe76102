/** Typical wrong answers: by exercise, the message that each must get, and what stands in the gap instead of the solution. */

/** What the beginning of an exercise, unfinished, must get. */
export const UNFINISHED: Readonly<Record<string, string>> = {
  ...{
    ask: 'version',
    slots: 'second',
    'first-vcpu': 'not-written',
    exits: 'silent',
    ports: 'first',
    mmio: 'unanswered',
  },
  ...{
    'protected-mode': 'pe',
    'long-mode': 'paging',
    elf: 'nothing',
    interrupt: 'never',
    msr: 'not-set',
    cpuid: 'not-set',
  },
  ...{ 'dirty-log': 'flag', 'host-writes': 'guest', 'save-order': 'registers', diff: 'first', device: 'constant' },
};

const slot = (fields: string) => `{ flags: 0, mapping: ram, size: 64 * KIB, offset: 0, ${fields} },`;
const SECOND = slot('slot: 1, gpa: 64 * KIB, offset: 64 * KIB');
const registers = (fields: string) => `
  sregs.cs.base = 0n; vcpu.setSregs(sregs);
  Object.assign(regs, { rip: 0x1000n, rax: 40n, rbx: 2n, rflags: 2n, ${fields} }); vcpu.setRegs(regs);`;
const flat = 'base: 0n, limit: 0xffff_ffff, present: 1, s: 1, g: 1';
const tables = (pd: string) => `
  memory.setBigUint64(PML4, BigInt(PDPT) | 3n, true); memory.setBigUint64(PDPT, BigInt(PD) | 3n, true); ${pd}
  sregs.cr3 = BigInt(PML4); sregs.cr4 |= 1n << 5n; sregs.cr0 |= (1n << 31n) | 1n;`;
const BOTH_PAGES = 'memory.setBigUint64(PD, 0x83n, true); memory.setBigUint64(PD + 8, 0x20_0083n, true);';
const pagesIf = (condition: string) => `for (let page = 0; page < 16; page++) {
  const byGuest = ((bitmap.bytes[page >> 3] ?? 0) >> (page & 7)) & 1; if (${condition}) pages.push(page); }`;
const look = (run: string) => `${run} vm.getDirtyLog(0, bitmap);
  { const pages = []; for (let p = 0; p < 16; p++) if ((bitmap.bytes[p >> 3] ?? 0) & (1 << (p & 7))) pages.push(p);
  console.log('pages ' + pages.join(' ')); }`;
const LOGGED = 'vm.setUserMemoryRegion({ ...slot, flags: LOG_DIRTY_PAGES });';
const two = "local.run(); session.checkpoint({ tags: ['two'] });";
const three = "wanted = 4; local.run(); session.checkpoint({ tags: ['three'] });";

/** See the file's header. */
export const WRONG: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ask: {
    version: 'const [version, recommended, most, slots] = [12, 2, 1024, 32764];',
    capability: `const version = kvm.getApiVersion();
      const [recommended, most] = [kvm.checkExtension('KVM_CAP_NR_VCPUS'), kvm.checkExtension('KVM_CAP_MAX_VCPUS')];
      const slots = kvm.checkExtension('KVM_CAP_USER_MEMORY');`,
    printed: `const version = kvm.getApiVersion();
      const [most, recommended] = [kvm.checkExtension('KVM_CAP_NR_VCPUS'), kvm.checkExtension('KVM_CAP_MAX_VCPUS')];
      const slots = kvm.checkExtension('KVM_CAP_NR_MEMSLOTS');`,
  },
  slots: {
    'same-memory': slot('slot: 1, gpa: 64 * KIB'),
    accepted: `${SECOND} ${slot('slot: 2, gpa: 128 * KIB')}`,
    overlap: `${SECOND} ${slot('slot: 2, gpa: 0x10_0001')}`,
    unaligned: `${SECOND} ${slot('slot: 2, gpa: 96 * KIB')} ${slot('slot: 2, gpa: 0x10_0000, size: 1000')}`,
    'odd-size': `${SECOND} ${slot('slot: 2, gpa: 96 * KIB')} ${slot('slot: 2, gpa: 0x10_0800')}`,
  },
  'first-vcpu': {
    'not-written': 'sregs.cs.base = 0n; regs.rip = 0x1000n; regs.rax = 40n; regs.rbx = 2n; regs.rflags = 2n;',
    base: 'sregs.cs.selector = 0; vcpu.setSregs(sregs); regs.rip = 0x1000n; vcpu.setRegs(regs);',
    rip: registers('rip: 0n'),
    operands: registers('rax: 42n, rbx: 0n'),
  },
  exits: {
    port: "console.log('OUT ' + exit.detail.port + ' ' + Buffer.from(vcpu.area.ioData).toString('hex'));",
    data: "console.log('OUT 0x' + exit.detail.port.toString(16) + ' ' + (vcpu.area.ioData[0] ?? 0).toString(16));",
    lines: `for (const byte of vcpu.area.ioData)
      console.log('OUT 0x' + exit.detail.port.toString(16) + ' ' + Buffer.from(vcpu.area.ioData).toString('hex'));`,
  },
  ports: {
    first: 'if (exit.detail.direction === 0) { const regs = vcpu.getRegs(); regs.rax = 19n; vcpu.setRegs(regs); }',
    second: 'if (exit.detail.direction === 0) data[0] = numbers[0] ?? 0; else sum = data[0] ?? 0;',
    printed: 'if (exit.detail.direction === 0) data[0] = numbers.shift() ?? 0;',
  },
  mmio: {
    'one-byte': 'if (!mmioIsWrite) mmioData[0] = IDENTITY & 0xff;',
    order: 'if (!mmioIsWrite) new DataView(mmioData.buffer, mmioData.byteOffset, 4).setUint32(0, IDENTITY);',
    lamp: 'if (!mmioIsWrite) new DataView(mmioData.buffer, mmioData.byteOffset, 4).setUint32(0, IDENTITY, true);',
  },
  'protected-mode': {
    'code-width': `sregs.cr0 |= 1n; Object.assign(sregs.cs, { ${flat}, selector: 8, type: 0xb });`,
    code: 'sregs.cr0 |= 1n; sregs.cs.db = 1;',
    data: `sregs.cr0 |= 1n; Object.assign(sregs.cs, { ${flat}, db: 1, selector: 8, type: 0xb });`,
  },
  'long-mode': {
    pae: `${tables(BOTH_PAGES)} sregs.cr4 = 0n; sregs.efer |= 0x500n;`,
    lma: `${tables(BOTH_PAGES)} sregs.efer |= 1n << 8n;`,
    large: `${tables('memory.setBigUint64(PD, 3n, true);')} sregs.efer |= 0x500n;`,
    second: `${tables('memory.setBigUint64(PD, 0x83n, true);')} sregs.efer |= 0x500n;`,
  },
  elf: {
    file: 'machine.memory.write(address, file.subarray(address - 0x10_0000, address - 0x10_0000 + fileSize));',
    bss: 'machine.memory.write(address, file.subarray(offset, offset + fileSize));',
    beyond: `machine.memory.write(address, file.subarray(offset, offset + fileSize));
      machine.memory.zero(address + fileSize, memorySize);`,
  },
  interrupt: {
    never: 'if (pending && head.ready_for_interrupt_injection) { vcpu.interrupt(VECTOR); pending = false; }',
    'too-early': 'if (pending) { vcpu.interrupt(VECTOR); pending = false; }',
    again: `if (pending && head.ready_for_interrupt_injection) vcpu.interrupt(VECTOR);
      head.request_interrupt_window = pending ? 1 : 0;`,
  },
  msr: {
    'other-msr': 'vcpu.setMsrs([{ index: 0xc000_0083, value: 1n }]); vcpu.run(); const after = 0n;',
    order: `vcpu.run(); vcpu.setMsrs([{ index: LSTAR, value: 0x7f12_3456_789an }]);
      const after = vcpu.getMsrs([LSTAR])[0]?.value ?? 0n;`,
    'read-early': `vcpu.setMsrs([{ index: LSTAR, value: 0x7f12_3456_789an }]);
      const after = vcpu.getMsrs([LSTAR])[0]?.value ?? 0n; vcpu.run();`,
  },
  cpuid: {
    lost: 'vcpu.setCpuid2(leaves.filter((leaf) => leaf.function === 0x4000_0000).map((leaf) => ({ ...leaf, ebx, ecx, edx })));',
    name: 'vcpu.setCpuid2(leaves.map((leaf) => leaf.function === 0x8000_0001 ? { ...leaf, ecx: (leaf.ecx & ~1) >>> 0 } : leaf));',
    lahf: 'vcpu.setCpuid2(leaves.map((leaf) => leaf.function === 0x4000_0000 ? { ...leaf, ebx, ecx, edx } : leaf));',
    others: `vcpu.setCpuid2(leaves.map((leaf) => leaf.function === 0x4000_0000 ? { ...leaf, ebx, ecx, edx }
      : leaf.function === 0x8000_0001 ? { ...leaf, ecx: 0 } : leaf));`,
  },
  'dirty-log': {
    flag: `vm.setUserMemoryRegion(slot); ${'vcpu.run();'.repeat(2)}`,
    'before-run': `${LOGGED} ${look('')} vcpu.run(); ${look('vcpu.run();')}`,
    first: `${LOGGED} for (let i = 0; i < 2; i++) { vcpu.run(); vm.getDirtyLog(0, bitmap); console.log('pages ' + bitmap.bytes[0]); }`,
    second: `${LOGGED} ${look('vcpu.run();')} vcpu.run(); console.log('pages 4 7 9');`,
  },
  'host-writes': {
    host: pagesIf('byGuest'),
    'too-many': `${pagesIf('true')} written.clear();`,
    order: `pages.push(...written); written.clear(); ${pagesIf('byGuest')}`,
    again: pagesIf('byGuest || written.has(page)'),
  },
  'save-order': {
    'same-vcpu': 'const vcpu = old;',
    events:
      'const vcpu = vm.createVcpu(1, kvm.getVcpuMmapSize()); vcpu.setSregs(old.getSregs()); vcpu.setRegs(old.getRegs());',
    order: `const vcpu = vm.createVcpu(1, kvm.getVcpuMmapSize());
      vcpu.setVcpuEvents(old.getVcpuEvents()); vcpu.setSregs(old.getSregs()); vcpu.setRegs(old.getRegs());`,
  },
  diff: {
    second: two,
    same: `${two} session.checkpoint({ tags: ['three'] });`,
    silent: `${two} ${three}`,
    missing: `${two} ${three} for (const { name } of diff(store.open('two'), store.open('three')).memory.places) console.log(name);`,
  },
  device: {
    first: 'state: { reads: types.u32 }, read: (state) => state.reads++,',
    counting: 'state: { reads: types.u32 }, read: (state) => (state.reads += 2) - 1,',
    'not-saved': 'read: (() => { let reads = 0; return () => ++reads; })(),',
  },
};
