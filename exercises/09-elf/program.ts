/** Exercise 9: the segments of an ELF file, placed by hand. */
import { readFileSync } from 'node:fs';
import { bootImage, load, Machine, runHere } from 'vmlapse';
import { guestPath } from 'vmlapse/guests';

const file = readFileSync(guestPath('compute-ring3'));
const machine = Machine.create({ memory: 4 * 2 ** 20 });
// Memory of a computer that was used before is not empty.
machine.memory.write(0x10_0000, new Uint8Array(2 * 2 ** 20).fill(0xcc));

const number = (at = 0) => Number(file.readBigUInt64LE(at));
const [tableAt, entrySize, count] = [number(0x20), file.readUInt16LE(0x36), file.readUInt16LE(0x38)];
const PT_LOAD = 1;

for (let at = tableAt; at < tableAt + count * entrySize; at += entrySize) {
  if (file.readUInt32LE(at) !== PT_LOAD) continue;
  const [offset, address, fileSize, memorySize] = [number(at + 8), number(at + 24), number(at + 32), number(at + 40)];
  console.log(`0x${address.toString(16)}: ${fileSize} bytes of the file from ${offset}, ${memorySize} in memory`);
  // ▼ Your part: put the segment into machine.memory (write(address, bytes), zero(address, length)). `file` is a Buffer:
  //   file.subarray(from, to).
  machine.memory.write(address, file.subarray(offset, offset + fileSize));
  machine.memory.zero(address + fileSize, memorySize - fileSize);
  // ▲ End of your part.
}

// The loader says how the vCPU starts; its segments are left out, as they are placed.
const plan = load(file, { memoryMap: machine.memory.memoryMap });
bootImage(machine, { ...plan, segments: [] });
const { reason, value } = runHere(machine, { output: (_, bytes) => void process.stdout.write(bytes) });
console.log(`the guest ended by ${reason} with ${value}`);
