import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestMemoryError } from '../../src/errors.ts';
import { findRoom, identityTables, tablesSize } from '../../src/machine/page-tables.ts';
import type { RamRange } from '../../src/memory/layout.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { boot, withMachine } from '../support/machines.ts';
import { thrown } from '../support/thrown.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Walks four-level tables that lie at `gpa` in `bytes`, as the processor does. */
function walk(bytes: Uint8Array, gpa: number, address: number): number | undefined {
  const view = Buffer.from(bytes.buffer);
  let table = gpa;
  for (const shift of [39, 30, 21, 12]) {
    const index = Math.floor(address / 2 ** shift) % 512;
    const entry = view.readBigUInt64LE(table - gpa + index * 8);
    if ((entry & 1n) === 0n) return undefined;
    const target = Number(entry & 0xf_ffff_ffff_f000n);
    if (entry & 0x80n) return target + (address % 2 ** shift);
    table = target;
  }
  return table + (address % 4096);
}

describe('identity page tables', () => {
  it('map every address below the end to itself, and at least the first 4 GiB', () => {
    const gib = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(gib, fc.integer({ min: 0, max: 12 * GIB }), fc.constantFrom(0x1000, 0x3f_f000), (n, address, gpa) => {
        const end = n * GIB - MIB;
        const { bytes } = identityTables(gpa, end);
        expect(bytes.length).toBe(tablesSize(end));
        const mapped = Math.max(n, 4) * GIB;
        expect(walk(bytes, gpa, address)).toBe(address < mapped ? address : undefined);
      }),
    );
  });

  it('let user code read and write everywhere', () => {
    const { bytes } = identityTables(0x1000, GIB);
    const used = [...new BigUint64Array(bytes.buffer)].filter((entry) => entry !== 0n);
    expect(used.every((entry) => (entry & 7n) === 7n)).toBe(true);
    expect(used).toHaveLength(1 + 4 + 4 * 512);
  });

  it('end at 512 GiB, and say so', () => {
    expect(identityTables(0x1000, 512 * GIB).bytes.length).toBe(514 * 4096);
    const error = thrown(GuestMemoryError, () => identityTables(0x1000, 512 * GIB + 1));
    expect(error.message).toContain('512 GiB');
  });
});

describeKvm('long mode on a machine', () => {
  it.each([2 * MIB, 5 * GIB])('of %d bytes translates every address to itself', (memory) => {
    withMachine({ memory }, (machine) => {
      boot(machine, code('f4'), { mode: 'long' });
      using vcpu = machine.createVcpu(0);
      const end = Math.max(...machine.memory.ranges.map((r) => r.base + r.size));
      for (const address of [0, 0x1234, 2 * MIB - 1, 3 * GIB + 5, 0xfee0_0000, 4 * GIB - 1, end - 1]) {
        expect(vcpu.translate(BigInt(address))).toMatchObject({ physical: address, valid: true });
      }
      const beyond = Math.max(4 * GIB, Math.ceil(end / GIB) * GIB);
      expect(vcpu.translate(BigInt(beyond)).valid).toBe(false);
    });
  });
});

describe('room for tables', () => {
  const ram: RamRange = { base: 0, size: 16 * MIB };

  it('is taken in low memory first, and never where the image is', () => {
    expect(findRoom(0x3000, ram, [], 'tables')).toBe(0x1000);
    expect(findRoom(0x3000, ram, [{ base: 0x2000, size: 0x100 }], 'tables')).toBe(0x3000);
    expect(findRoom(0x3000, ram, [{ base: 0, size: 0x9_f000 }], 'tables')).toBe(16 * MIB - 0x3000);
  });

  it('avoids the image wherever it lies', () => {
    const range = fc.record({ base: fc.nat(2 * MIB), size: fc.integer({ min: 1, max: MIB }) });
    const small: RamRange = { base: 0, size: 3 * MIB };
    const overlaps = (gpa: number, size: number, o: RamRange) => gpa < o.base + o.size && gpa + size > o.base;
    fc.assert(
      fc.property(fc.array(range, { maxLength: 4 }), fc.integer({ min: 1, max: 20 }), (occupied, pages) => {
        const size = pages * 4096;
        let gpa: number;
        try {
          gpa = findRoom(size, small, occupied, 'tables');
        } catch (error) {
          expect(error).toBeInstanceOf(GuestMemoryError);
          return;
        }
        expect(occupied.some((o) => overlaps(gpa, size, o))).toBe(false);
        expect([gpa % 4096, gpa + size <= small.size]).toEqual([0, true]);
        const inVideoWindow = gpa + size > 0x9_f000 && gpa < MIB;
        expect(inVideoWindow, 'the video and BIOS window is not room').toBe(false);
      }),
    );
  });

  it('that is not there is an error with the cure', () => {
    const error = thrown(GuestMemoryError, () => findRoom(4096, ram, [{ base: 0, size: 16 * MIB }], 'page tables'));
    expect(error.code).toBe('NO_ROOM');
    const onlyVideoAndBios = [
      { base: 0, size: 0x9_f000 },
      { base: MIB, size: 15 * MIB },
    ];
    expect(thrown(GuestMemoryError, () => findRoom(4096, ram, onlyVideoAndBios, 'page tables')).code).toBe('NO_ROOM');
    expect(error.message).toMatch(/no 4096 bytes of RAM for page tables.*--mem/);
  });
});
