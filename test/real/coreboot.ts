/**
 * A coreboot table: what coreboot firmware leaves in memory for the program it starts. GRUB's i386-coreboot build
 * finds its memory there and nowhere else. Layout: coreboot's Documentation and
 * src/commonlib/include/commonlib/coreboot_tables.h.
 */
import type { MemoryRange } from '../../loaders/image.ts';

/** Where the table goes: the first place searched above 0x1000 is the BIOS area, on a 16-byte boundary. */
export const COREBOOT_TABLE_AT = 0xf0000;

const HEADER_BYTES = 24;
const TAG_MEMORY = 1;
const TAG_CONSOLE = 0x10;
const CONSOLE_SERIAL8250 = 0;

/** The table's bytes for a memory map: one memory record, and one that names the 8250 at 0x3f8 as console. */
export function corebootTable(map: readonly MemoryRange[]): Uint8Array {
  const records = Buffer.concat([memoryRecord(map), consoleRecord()]);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('LBIO', 0, 'latin1');
  header.writeUInt32LE(HEADER_BYTES, 4);
  header.writeUInt32LE(records.length, 12);
  header.writeUInt32LE(internetChecksum(records), 16);
  header.writeUInt32LE(2, 20);
  header.writeUInt32LE(internetChecksum(header), 8);
  return Buffer.concat([header, records]);
}

function memoryRecord(map: readonly MemoryRange[]): Buffer {
  const record = Buffer.alloc(8 + 20 * map.length);
  record.writeUInt32LE(TAG_MEMORY, 0);
  record.writeUInt32LE(record.length, 4);
  map.forEach(({ base, size, type }, i) => {
    record.writeBigUInt64LE(BigInt(base), 8 + 20 * i);
    record.writeBigUInt64LE(BigInt(size), 16 + 20 * i);
    record.writeUInt32LE(type, 24 + 20 * i);
  });
  return record;
}

function consoleRecord(): Buffer {
  const record = Buffer.alloc(12);
  record.writeUInt32LE(TAG_CONSOLE, 0);
  record.writeUInt32LE(record.length, 4);
  record.writeUInt16LE(CONSOLE_SERIAL8250, 8);
  return record;
}

/** The 16-bit one's-complement sum of RFC 1071 over little-endian words, as coreboot computes it. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum += (bytes[i] ?? 0) << (i % 2 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
