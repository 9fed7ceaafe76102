import { fstatSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hex } from '../../src/abi/numbers.ts';
import { GuestMemoryError } from '../../src/errors.ts';
import { GuestMemory } from '../../src/memory/guest-memory.ts';
import { HOLE_END, HOLE_START } from '../../src/memory/layout.ts';
import { thrown } from '../support/thrown.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const bytes = (...values: number[]) => Uint8Array.from(values);

function withMemory(size: number, test: (memory: GuestMemory) => void): void {
  using memory = GuestMemory.create(size);
  test(memory);
}

const dirtyPages = (memory: GuestMemory) => memory.regions.map((r) => r.hostDirty.count);
const resident = (memory: GuestMemory) => memory.regions.map((r) => [...memory.residentRuns(r)]);

describe('guest memory', () => {
  it.each([MIB, 3 * MIB, 64 * MIB, GIB, GIB + 4096, HOLE_START, HOLE_START + MIB, 5 * GIB])(
    'of %d bytes starts zeroed, untouched and clean, and holds its first and last byte',
    (size) => {
      withMemory(size, (memory) => {
        expect(memory.size).toBe(size);
        expect(fstatSync(memory.fd)).toMatchObject({ size, blocks: 0 });
        expect(dirtyPages(memory).every((n) => n === 0)).toBe(true);
        for (const { base, size: length } of memory.ranges) {
          const last = base + length - 1;
          expect(memory.read(last, 1)).toEqual(bytes(0));
          memory.write(base, bytes(0x11));
          memory.write(last, bytes(0x22));
          expect([memory.read(base, 1), memory.read(last, 1)]).toEqual([bytes(0x11), bytes(0x22)]);
        }
      });
    },
  );

  it('costs only what was touched', () => {
    withMemory(5 * GIB, (memory) => {
      memory.write(2 * GIB, bytes(1));
      memory.write(HOLE_END + GIB, new Uint8Array(8192));
      expect(fstatSync(memory.fd).blocks * 512).toBe(3 * 4096);
      expect(resident(memory)).toEqual([[[2 * GIB, 2 * GIB + 4096]], [[GIB, GIB + 8192]]]);
    });
  });

  it('reads and writes across the end of a window, which no one can see', () => {
    withMemory(3 * GIB, (memory) => {
      const data = Uint8Array.from({ length: 9000 }, (_, i) => i);
      memory.write(GIB - 4500, data);
      expect(memory.read(GIB - 4500, 9000)).toEqual(data);
      expect(memory.view(GIB - 2, 2)).toEqual(data.subarray(4498, 4500));
      expect(() => memory.view(GIB - 2, 4)).toThrow(/crosses a 1 GiB window/);
    });
  });

  it('reads integers little-endian', () => {
    withMemory(MIB, (memory) => {
      memory.write(0x1000, bytes(0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x81));
      expect(([1, 2, 4, 8] as const).map((width) => memory.readUint(0x1000, width))).toEqual([
        0xefn,
        0xcdefn,
        0x89ab_cdefn,
        0x8123_4567_89ab_cdefn,
      ]);
    });
  });

  it('closes its descriptor and its mappings, once', () => {
    const memory = GuestMemory.create(MIB);
    const { fd } = memory;
    memory[Symbol.dispose]();
    memory[Symbol.dispose]();
    expect(() => fstatSync(fd)).toThrow(/EBADF/);
  });
});

describe('an access outside RAM', () => {
  const small = 2 * MIB;
  const large = HOLE_START + MIB;
  it.each([
    ['at the end', small, small, 1],
    ['across the end', small, small - 2, 4],
    ['far away', small, 2 ** 45, 1],
    ['before the start', small, -1, 1],
    ['at half an address', small, 0.5, 1],
    ['at no address', small, Number.NaN, 1],
    ['in the hole', large, HOLE_START, 1],
    ['across the hole', large, HOLE_START - 4, 8],
    ['from the hole into RAM', large, HOLE_END - 4, 8],
    ['longer than everything', large, 0, 5 * GIB],
    ['of less than nothing', small, 4096, -1],
  ])('%s is refused by every method, with address, length and what RAM there is', (_where, size, gpa, length) => {
    withMemory(size, (memory) => {
      const data = { length } as Uint8Array;
      const calls = [
        () => memory.readInto(gpa, data),
        () => memory.read(gpa, length),
        () => memory.view(gpa, length),
        () => memory.write(gpa, data),
        () => memory.zero(gpa, length),
      ];
      for (const call of calls) {
        const error = thrown(GuestMemoryError, call);
        expect(error).toMatchObject({ code: 'OUTSIDE_RAM', details: { gpa, length } });
        expect(error.message).toContain(`of ${length} bytes at ${hex(gpa)} is outside guest RAM (0x0..`);
      }
      expect(dirtyPages(memory).every((n) => n === 0)).toBe(true);
    });
  });

  it('names both ranges of a large machine', () => {
    withMemory(large, (memory) => {
      const { message } = thrown(GuestMemoryError, () => memory.read(HOLE_START, 1));
      expect(message).toContain('(0x0..0xbfffffff, 0x100000000..0x1000fffff)');
    });
  });

  it('of no bytes is fine anywhere in RAM and at its end', () => {
    withMemory(GIB, (memory) => {
      for (const gpa of [0, MIB, GIB]) {
        memory.write(gpa, bytes());
        memory.zero(gpa, 0);
        expect(memory.read(gpa, 0)).toEqual(bytes());
        expect(memory.view(gpa, 0)).toHaveLength(0);
      }
      expect(dirtyPages(memory)).toEqual([0]);
    });
  });
});

describe('zeroing', () => {
  it('leaves memory that was never touched untouched, and clean', () => {
    withMemory(4 * GIB, (memory) => {
      memory.zero(MIB, 2 * GIB);
      memory.zero(HOLE_END, GIB);
      expect(resident(memory)).toEqual([[], []]);
      expect(dirtyPages(memory)).toEqual([0, 0]);
    });
  });

  it('zeroes what was touched, to the byte, and marks it', () => {
    withMemory(2 * GIB, (memory) => {
      const ones = new Uint8Array(3 * 4096).fill(0xff);
      memory.write(GIB - 4096, ones);
      for (const { hostDirty } of memory.regions) hostDirty.clear();
      memory.zero(GIB - 10, 20);
      expect(memory.read(GIB - 11, 22)).toEqual(bytes(0xff, ...new Array(20).fill(0), 0xff));
      expect(dirtyPages(memory)).toEqual([2]);
      memory.zero(0, 2 * GIB);
      expect(memory.read(GIB - 4096, ones.length).every((byte) => byte === 0)).toBe(true);
      expect(resident(memory)).toEqual([[[GIB - 4096, GIB + 2 * 4096]]]);
    });
  });

  it('above the hole touches nothing below it', () => {
    withMemory(HOLE_START + 2 * MIB, (memory) => {
      memory.write(0, bytes(1));
      memory.write(HOLE_START - 1, bytes(2));
      memory.write(HOLE_END, bytes(3, 4));
      memory.zero(HOLE_END, 1);
      expect(memory.read(HOLE_END, 2)).toEqual(bytes(0, 4));
      expect([memory.readUint(0, 1), memory.readUint(HOLE_START - 1, 1)]).toEqual([1n, 2n]);
    });
  });
});
