import { describe, expect, it } from 'vitest';
import { MP_TABLE_GPA, MP_TABLE_MAX_CPUS, mpTable } from '../../src/machine/mptable.ts';

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
const ENTRY_BYTES: Record<number, number> = { 0: 20, 1: 8, 2: 8, 3: 8, 4: 8 };

/** Reads a table the way an operating system does: search, follow the pointer, walk the entries. */
function parse(bytes: Uint8Array) {
  const view = Buffer.from(bytes);
  expect(view.toString('latin1', 0, 4)).toBe('_MP_');
  expect(sum(bytes.subarray(0, 16 * view.readUInt8(8)))).toBe(0);
  const table = bytes.subarray(view.readUInt32LE(4) - MP_TABLE_GPA);
  const header = Buffer.from(table);
  expect(header.toString('latin1', 0, 4)).toBe('PCMP');
  const length = header.readUInt16LE(4);
  expect(length).toBe(table.length);
  expect(sum(table.subarray(0, length))).toBe(0);
  const entries: Buffer[] = [];
  for (let at = 44; at < length; ) {
    const size = ENTRY_BYTES[header.readUInt8(at)];
    if (!size) throw new Error(`entry type ${header.readUInt8(at)} at ${at}`);
    entries.push(header.subarray(at, at + size));
    at += size;
  }
  expect(entries.length).toBe(header.readUInt16LE(34));
  return { entries, localApic: header.readUInt32LE(36) };
}

const ofType = (entries: Buffer[], type: number) => entries.filter((entry) => entry[0] === type);

describe('mpTable', () => {
  it('lies where operating systems search, on a 16-byte boundary inside the BIOS area', () => {
    const { gpa, bytes } = mpTable(MP_TABLE_MAX_CPUS);
    expect(gpa % 16).toBe(0);
    expect(gpa).toBeGreaterThanOrEqual(0xf0000);
    expect(gpa + bytes.length).toBeLessThanOrEqual(0x100000);
  });

  it.each([1, 2, 8, MP_TABLE_MAX_CPUS])('names %i processors, the first of them the boot processor', (cpus) => {
    const { entries, localApic } = parse(mpTable(cpus).bytes);
    const processors = ofType(entries, 0);
    expect(processors.map((entry) => entry[1])).toEqual(Array.from({ length: cpus }, (_, id) => id));
    expect(processors.map((entry) => entry[3])).toEqual(processors.map((_, id) => (id === 0 ? 3 : 1)));
    expect(localApic).toBe(0xfee00000);
  });

  it('gives the I/O APIC an id that no processor has, and its address', () => {
    const [ioApic, ...more] = ofType(parse(mpTable(3).bytes).entries, 2);
    expect(more).toEqual([]);
    expect(ioApic?.[1]).toBe(3);
    expect(ioApic?.[3]).toBe(1);
    expect(ioApic?.readUInt32LE(4)).toBe(0xfec00000);
  });

  it('maps every ISA interrupt but the cascade to the pin of its own number, the timer to pin 0', () => {
    const { entries } = parse(mpTable(1).bytes);
    const lines = ofType(entries, 3).map((entry) => [entry[5], entry[7]]);
    expect(lines).toEqual([0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map((irq) => [irq, irq]));
    expect(ofType(entries, 1).map((entry) => entry.toString('latin1', 2))).toEqual(['ISA   ']);
  });

  it('wires ExtINT to LINT0 of the boot processor and NMI to LINT1 of all', () => {
    const local = ofType(parse(mpTable(2).bytes).entries, 4).map((entry) => [entry[1], entry[6], entry[7]]);
    expect(local).toEqual([
      [3, 0, 0],
      [1, 0xff, 1],
    ]);
  });

  it.each([0, -1, 1.5, MP_TABLE_MAX_CPUS + 1])('refuses %d processors', (cpus) => {
    expect(() => mpTable(cpus)).toThrow(RangeError);
  });
});
