import { describe, expect, it } from 'vitest';
import { describeWalk, listMappings, type PagingRegisters, walkPages } from '../../src/memory/page-walk.ts';
import { withGuest } from '../support/flat-guest.ts';
import { describeKvm } from '../support/kvm.ts';

const PG = 0x8000_0001n;
const PAE = 1n << 5n;
const PSE = 1n << 4n;
const LA57 = 1n << 12n;
const LMA = 0x500n;

/** Memory of a few table entries; everything else reads as absent, and addresses from 1 MiB on are outside RAM. */
const memory = (entries: Readonly<Record<number, bigint>>) => (gpa: number) =>
  gpa >= 2 ** 20 ? undefined : (entries[gpa] ?? 0n);

const registers = (cr4: bigint, efer: bigint, cr3 = 0x1000n, cr0 = PG): PagingRegisters => ({ cr0, cr3, cr4, efer });

const CASES = [
  { name: 'no paging', regs: registers(0n, 0n, 0n, 1n), entries: {}, linear: 0x1234n, ends: 0x1234 },
  {
    name: 'four levels to a 4 KiB page',
    regs: registers(PAE, LMA),
    entries: { 4104: 0x2003n, 8208: 0x3003n, 12312: 0x4003n, 16416: 0x8000_0000_0005_5003n },
    linear: (1n << 39n) | (2n << 30n) | (3n << 21n) | (4n << 12n) | 0xabcn,
    ends: 0x5_5abc,
  },
  {
    name: 'a 2 MiB page',
    regs: registers(PAE, LMA),
    entries: { 4096: 0x2003n, 8192: 0x3003n, 12296: 0x60_00e3n },
    linear: 0x21_2345n,
    ends: 0x61_2345,
  },
  {
    name: 'a 1 GiB page',
    regs: registers(PAE, LMA),
    entries: { 4096: 0x2003n, 8200: 0x8000_0083n },
    linear: 0x4123_4567n,
    ends: 0x8123_4567,
  },
  {
    name: 'five levels',
    regs: registers(PAE | LA57, LMA),
    entries: { 4104: 0x2003n, 8192: 0x3003n, 12288: 0x83n },
    linear: (1n << 48n) | 0x1234n,
    ends: 0x1234,
  },
  {
    name: 'PAE, whose top table has four entries',
    regs: registers(PAE, 0n, 0x1020n),
    entries: { 4152: 0x2001n, 8192: 0x3003n, 12288: 0x7003n },
    linear: 0xc000_0123n,
    ends: 0x7123,
  },
  {
    name: 'two levels of 32-bit entries',
    regs: registers(0n, 0n),
    entries: { 4100: 0x2003n, 8200: 0x9003n },
    linear: (1n << 22n) | (2n << 12n) | 0x42n,
    ends: 0x9042,
  },
  {
    name: 'a 4 MiB page above 4 GiB',
    regs: registers(PSE, 0n),
    entries: { 4100: 0x40_2083n },
    linear: 0x40_0001n,
    ends: 0x1_0040_0001,
  },
  {
    name: 'an absent top entry',
    regs: registers(PAE, LMA),
    entries: {},
    linear: 0x80_0000_0000n,
    ends: 'not mapped: PML4[1] is not present',
  },
  {
    name: 'an absent last entry',
    regs: registers(PAE, LMA),
    entries: { 4096: 0x2003n, 8192: 0x3003n, 12288: 0x4003n },
    linear: 0x5000n,
    ends: 'not mapped: PT[5] is not present',
  },
  {
    name: 'a table outside RAM',
    regs: registers(PAE, LMA),
    entries: { 4096: 0x7000_0003n },
    linear: 0n,
    ends: 'PML4[0] points outside RAM',
  },
  {
    name: 'CR3 outside RAM',
    regs: registers(PAE, LMA, 0x7000_0000n),
    entries: {},
    linear: 0n,
    ends: 'CR3 points outside RAM',
  },
  {
    name: 'an address above 4 GiB without paging',
    regs: registers(0n, 0n, 0n, 1n),
    entries: {},
    linear: 0xffff_ffff_8010_0000n,
    ends: 'above 4 GiB, where this mode has no addresses',
  },
  {
    name: 'a bit 7 that means nothing without CR4.PSE',
    regs: registers(0n, 0n),
    entries: { 4100: 0x2083n, 8200: 0x9003n },
    linear: (1n << 22n) | (2n << 12n) | 0x42n,
    ends: 0x9042,
  },
  {
    name: 'an address that is not canonical',
    regs: registers(PAE, LMA),
    entries: {},
    linear: 1n << 47n,
    ends: 'not a canonical address',
  },
] as const;

describe('listMappings', () => {
  const list = (regs: PagingRegisters, entries: Readonly<Record<number, bigint>>, most?: number, budget?: number) =>
    listMappings(regs, memory(entries), most, budget);

  it('puts neighbours together, makes addresses canonical and skips what is absent or outside RAM', () => {
    const entries = {
      4096: 0x2003n,
      [4096 + 511 * 8]: 0x2003n,
      [4096 + 8]: 0x7000_0003n,
      8192: 0x3003n,
      8200: 0x8000_0083n,
      12288: 0x4003n,
      [12288 + 8]: 0x20_0083n,
      [0x4000 + 511 * 8]: 0x1f_f003n,
      [0x4000 + 8]: 0x9003n,
    };
    const once = [
      { linear: 0x1000n, physical: 0x9000, size: 0x1000 },
      { linear: 0x1f_f000n, physical: 0x1f_f000, size: 0x20_1000 },
      { linear: 0x4000_0000n, physical: 0x8000_0000, size: 0x4000_0000 },
    ];
    const high = once.map(({ linear, ...rest }) => ({ linear: linear + 0xffff_ff80_0000_0000n, ...rest }));
    const { mappings, complete } = list(registers(PAE, LMA), entries);
    expect({ mappings, complete }).toEqual({ mappings: [...once, ...high], complete: true });
  });

  it('knows 32-bit tables, with large pages and without', () => {
    const entries = { 4096: 0x2003n, 4100: 0x40_2083n, 8192: 0x5003n };
    const small = { linear: 0n, physical: 0x5000, size: 0x1000 };
    const large = { linear: 0x40_0000n, physical: 0x1_0040_0000, size: 0x40_0000 };
    expect(list(registers(PSE, 0n), entries).mappings).toEqual([small, large]);
  });

  it('stops when there are too many or its budget is used up', () => {
    const entries = Object.fromEntries(Array.from({ length: 512 }, (_, i) => [0x1000 + 8 * i, 0x1003n]));
    const few = list(registers(PAE, LMA), entries, 100);
    expect([few.mappings.length, few.complete]).toEqual([100, false]);
    expect(list(registers(PAE, LMA), entries, 1000, 100).complete).toBe(false);
  });
});

describe('walkPages', () => {
  for (const { name, regs, entries, linear, ends } of CASES) {
    it(`follows ${name}`, () => {
      const walk = walkPages(regs, linear, memory(entries));
      if (typeof ends === 'number') expect(walk.physical).toBe(ends);
      else expect(describeWalk(walk)).toBe(ends);
    });
  }
});

/** A small generator of numbers, the same at every run. */
function numbers(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

describeKvm('walkPages and KVM_TRANSLATE', () => {
  it('agree about random tables', () => {
    const TABLES = 0x4_0000;
    const COUNT = 16;
    const pick = numbers(7);
    withGuest({ mode: 'long', code: 'f4' }, (machine, vcpu) => {
      const bytes = new Uint8Array(COUNT * 4096);
      const entries = new BigUint64Array(bytes.buffer);
      for (let i = 0; i < entries.length; i++) {
        const present = pick(4) > 0 ? 7n : 0n;
        entries[i] = BigInt(TABLES + pick(COUNT) * 4096) | present;
      }
      machine.memory.write(TABLES, bytes);
      const sregs = vcpu.getSregs();
      sregs.cr3 = BigInt(TABLES);
      vcpu.setSregs(sregs);
      const read = (gpa: number, width: 4 | 8) =>
        machine.memory.find(gpa, width) ? machine.memory.readUint(gpa, width) : undefined;
      let mapped = 0;
      for (let i = 0; i < 2000; i++) {
        const linear = BigInt.asUintN(
          64,
          BigInt.asIntN(48, BigInt(pick(2 ** 24)) * BigInt(2 ** 24) + BigInt(pick(2 ** 24))),
        );
        const { valid, physical } = vcpu.translate(linear);
        const walk = walkPages(sregs, linear, read);
        expect({ linear, physical: walk.physical }).toEqual({ linear, physical: valid ? physical : undefined });
        if (valid) mapped++;
      }
      expect(mapped).toBeGreaterThan(300);
      expect(mapped).toBeLessThan(1700);
    });
  });
});
