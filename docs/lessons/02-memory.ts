/** Lesson 2: a VM is an address space. Its memory is this process's, lent to it in slots. */
import { GuestMemory, Kvm, KvmError, Mapping, type MemorySlot } from 'vmlapse';

const KIB = 1024;
using kvm = Kvm.open();
using vm = kvm.createVm();
using ram = Mapping.anonymous(128 * KIB);

// 1. Sets a slot and prints what KVM answered.
function set(what: string, slot: MemorySlot): void {
  try {
    vm.setUserMemoryRegion(slot);
    console.log(`${what}: done`);
  } catch (error) {
    if (!(error instanceof KvmError)) throw error;
    console.log(`${what}: ${error.code}, ${error.hint}`);
  }
}

// 2. Two slots side by side, then three that KVM refuses.
const low: MemorySlot = { slot: 0, flags: 0, gpa: 0, size: 64 * KIB, mapping: ram };
set('slot 0 at 0x0, 64 KiB', low);
set('slot 1 at 0x10000, the next 64 KiB', { ...low, slot: 1, gpa: 0x1_0000, offset: 64 * KIB });
set('slot 2 over slot 1', { ...low, slot: 2, gpa: 0x1_8000 });
set('slot 2 at an odd address', { ...low, slot: 2, gpa: 0x10_0001 });

// 3. The old API had aliases. Today an alias is a second slot on the same memory.
try {
  vm.setMemoryAlias();
} catch (error) {
  console.log((error as KvmError).message);
}
vm.addMemoryAlias(2, 0x10_0000, low, 0, 64 * KIB);
console.log('slot 2 at 0x100000, the memory of slot 0 once more: done');
set('slot 2, of size 0', { ...low, slot: 2, size: 0 });

// 4. GuestMemory does all this for a machine: a memory file with a hole below 4 GiB, and checked access.
using memory = GuestMemory.create(4 * 2 ** 30);
for (const { base, size } of memory.ranges) console.log(`RAM 0x${base.toString(16)}, ${size / 2 ** 20} MiB`);
const last = memory.ranges.at(-1)!;
memory.write(last.base, Buffer.from('in the last range'));
console.log(Buffer.from(memory.read(last.base, 17)).toString());
try {
  memory.read(0xfee0_0000, 4);
} catch (error) {
  console.log((error as Error).message);
}
