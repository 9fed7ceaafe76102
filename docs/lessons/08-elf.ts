/** Lesson 8: an ELF file says which bytes go where. Loaded by hand, and by the loader; both place the same bytes. */
import { readFileSync } from 'node:fs';
import { bootImage, GuestMemory, LoadError, load, Machine, place, runHere } from 'vmlapse';
import { guestPath } from 'vmlapse/guests';

const MIB = 2 ** 20;
const bytes = readFileSync(guestPath('compute'));
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const u64 = (at: number) => Number(view.getBigUint64(at, true));

// 1. The header: is it ELF, 64-bit, for this processor? Where does it start, where is the table of segments?
const magic = view.getUint32(0, false) === 0x7f454c46;
const machineType = view.getUint16(0x12, true); // 62 is EM_X86_64
const entry = u64(0x18);
const [tableAt, entrySize, count] = [u64(0x20), view.getUint16(0x36, true), view.getUint16(0x38, true)];
console.log(`ELF ${magic}, machine ${machineType}, entry 0x${entry.toString(16)}, ${count} program headers`);

// 2. Each PT_LOAD segment: p_filesz bytes of the file go to p_paddr, the rest up to p_memsz is zero (.bss).
using byHand = GuestMemory.create(16 * MIB);
const PT_LOAD = 1;
for (let at = tableAt; at < tableAt + count * entrySize; at += entrySize) {
  if (view.getUint32(at, true) !== PT_LOAD) continue;
  const [offset, paddr, filesz, memsz] = [u64(at + 8), u64(at + 24), u64(at + 32), u64(at + 40)];
  byHand.write(paddr, bytes.subarray(offset, offset + filesz));
  byHand.zero(paddr + filesz, memsz - filesz);
  console.log(`LOAD 0x${paddr.toString(16)}: ${filesz} bytes from the file, ${memsz - filesz} zero`);
}

// 3. The loader makes a plan first, and checks all of it before anything is written.
using machine = Machine.create({ memory: 16 * MIB });
const image = load(bytes, { memoryMap: machine.memory.memoryMap });
console.log(`plan: ${image.description}, ${image.entry.mode} mode at 0x${image.entry.rip.toString(16)}`);
place(image, machine.memory);
const same = image.segments.every(({ gpa, memSize }) =>
  Buffer.from(byHand.read(gpa, memSize)).equals(machine.memory.read(gpa, memSize)),
);
console.log(`by hand and by the loader: ${same ? 'the same bytes' : 'different bytes'}`);

// 4. What is wrong in a file is refused with the field, its place, what was found and what to do.
const broken = Buffer.from(bytes);
broken.writeBigUInt64LE(1n << 60n, tableAt + 32); // p_filesz of the first segment
try {
  load(broken, { memoryMap: machine.memory.memoryMap });
} catch (error) {
  if (!(error instanceof LoadError)) throw error;
  console.log(error.message);
}

// 5. The plan goes into the machine, together with the state in which the first vCPU starts.
bootImage(machine, image);
const result = runHere(machine);
console.log(`the guest ended with ${result.value}`);
