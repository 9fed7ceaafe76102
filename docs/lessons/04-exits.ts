/** Lesson 4: the exit loop. Whatever the guest does that is not memory and not computation comes back to us. */
import { decodeExit, Kvm, Mapping, plain } from 'vmlapse';

const CODE = 0x1000;
const GUEST = [
  'baf803', // mov dx, 0x3f8
  'ec', // in al, dx
  '0401', // add al, 1
  'ee', // out dx, al
  'a20090', // mov [0x9000], al: no memory is there
  'a01090', // mov al, [0x9010]
  'ee', // out dx, al
  'f4', // hlt
];

// 1. As in lesson 3: memory, code, a vCPU that starts at it.
using kvm = Kvm.open();
using vm = kvm.createVm();
using ram = Mapping.anonymous(32 * 1024);
vm.setTssAddr(0xfeff_d000);
vm.setUserMemoryRegion({ slot: 0, flags: 0, gpa: 0, size: ram.length, mapping: ram });
ram.bytes.set(Buffer.from(GUEST.join(''), 'hex'), CODE);
using vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
const sregs = vcpu.getSregs();
Object.assign(sregs.cs, { base: 0n, selector: 0 });
vcpu.setSregs(sregs);
const regs = vcpu.getRegs();
Object.assign(regs, { rip: BigInt(CODE), rflags: 2n });
vcpu.setRegs(regs);

// 2. Run, see why it came back, serve that, run again.
const hex = (value: number | bigint) => `0x${value.toString(16)}`;
const bigints = (_key: string, value: unknown) => (typeof value === 'bigint' ? hex(value) : value);
const text = (bytes: Uint8Array) => JSON.stringify(Buffer.from(bytes).toString());
for (let running = true; running; ) {
  if (!vcpu.run()) continue; // a signal brought it back: nothing to serve
  const exit = decodeExit(vcpu.area);
  switch (exit.reason) {
    case 'IO': {
      const data = vcpu.area.ioData; // behind the exit's own fields, at data_offset
      if (exit.detail.direction === 0) data[0] = 'A'.charCodeAt(0); // read by the guest when it goes on
      console.log(`IO   ${exit.detail.direction === 0 ? 'in ' : 'out'} ${hex(exit.detail.port)}: ${text(data)}`);
      break;
    }
    case 'MMIO': {
      const { phys_addr, is_write } = exit.detail;
      if (!is_write) vcpu.area.mmioData[0] = '!'.charCodeAt(0);
      console.log(`MMIO ${is_write ? 'write' : 'read'} at ${hex(phys_addr)}: ${text(vcpu.area.mmioData)}`);
      break;
    }
    case 'FAIL_ENTRY': // the state that we wrote is impossible
    case 'INTERNAL_ERROR': // KVM cannot go on, often with an instruction that it cannot emulate
      throw new Error(`KVM cannot run the guest: ${exit.reason} ${JSON.stringify(plain(exit.detail), bigints)}`);
    default:
      console.log(`${exit.reason}: the loop ends`);
      running = false;
  }
}
