/** Lesson 18: ACPI. How a guest learns what machine it is in, and switches it off: tables in memory, found by a signature. */
import { bootImage, LocalMachine, load, Machine } from 'vmlapse';

const GUEST = [
  '66ba0406', // mov dx, 0x604: the register that step 4 finds
  '66b80034', // mov ax, 13 << 10: the two values that step 4 finds
  '66ef', // out dx, ax
  'f4', // hlt: not reached
];

// 1. A machine with two vCPUs, and one to run the guest in: the tables are written when the entry state is known.
const boot = (cpus: number) => {
  const machine = Machine.create({ memory: 4 * 2 ** 20, cpus });
  const { memoryMap } = machine.memory;
  const bytes = Buffer.from(GUEST.join(''), 'hex');
  bootImage(machine, load(bytes, { format: 'flat', mode: 'long', load: 0x10_0000, memoryMap }));
  return machine;
};
using machine = boot(2);
const bytesAt = (gpa: number, length: number) => Buffer.from(machine.memory.read(gpa, length));

// 2. The guest searches from 0xe0000 on, every 16 bytes, for "RSD PTR ". It holds the address of a table of addresses.
let rsdp = 0xe_0000;
while (bytesAt(rsdp, 8).toString('latin1') !== 'RSD PTR ') rsdp += 16;
const tableAt = (gpa: number) => bytesAt(gpa, bytesAt(gpa, 8).readUInt32LE(4));
const xsdt = tableAt(Number(bytesAt(rsdp, 36).readBigUInt64LE(24)));
const sumOf = (table: Buffer) => table.reduce((sum, byte) => (sum + byte) & 0xff, 0);
const tables = new Map<string, Buffer>();
const add = (gpa: number) => tables.set(tableAt(gpa).toString('latin1', 0, 4), tableAt(gpa));
for (let at = 36; at < xsdt.length; at += 8) add(Number(xsdt.readBigUInt64LE(at)));
add(Number(tables.get('FACP')!.readBigUInt64LE(140))); // X_DSDT
for (const [name, table] of tables) console.log(`${name}  sum of its bytes ${sumOf(table)}`);

// 3. The MADT ("APIC") has an entry for each interrupt controller: a type, a length, and what belongs to it.
const madt = tables.get('APIC')!;
for (let at = 44; at < madt.length; at += madt[at + 1]!) {
  if (madt[at] === 0) console.log(`local APIC ${madt[at + 3]}, ${madt[at + 4]! & 1 ? 'usable' : 'disabled'}`);
  if (madt[at] === 1) console.log(`I/O APIC at 0x${madt.readUInt32LE(at + 4).toString(16)}`);
}

// 4. Off: the FADT says which port, the DSDT's package _S5_ which value; bit 13 of the port means "now".
const port = tables.get('FACP')!.readUInt32LE(64); // PM1a_CNT_BLK
const dsdt = tables.get('DSDT')!;
const packageAt = dsdt.indexOf('_S5_') + 4; // PackageOp, PkgLength, NumElements, then a value: BytePrefix and byte, or Zero, One
const [prefix, byte] = dsdt.subarray(packageAt + 3);
const sleepType = prefix === 0x0a ? byte! : prefix!;
console.log(`write 0x${((sleepType << 10) | (1 << 13)).toString(16)} to port 0x${port.toString(16)} to switch it off`);

// 5. The guest does so.
using alone = boot(1);
using local = new LocalMachine(alone);
console.log(`the run ends: ${local.run({ timeoutMs: 10_000 }).reason}`);
