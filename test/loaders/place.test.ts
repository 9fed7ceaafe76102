import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GuestImage, Segment } from '../../loaders/image.ts';
import { checkPlan, type PlaceTarget, place } from '../../loaders/index.ts';
import { MIB } from './build.ts';
import { refused } from './refused.ts';

const RAM = [{ base: 0, size: 64 * MIB }];

const image = (segments: readonly Partial<Segment>[], more: Partial<GuestImage> = {}): GuestImage => ({
  format: 'flat',
  description: '',
  segments: segments.map((s, i) => ({
    gpa: 0,
    bytes: new Uint8Array(16).fill(i + 1),
    memSize: s.bytes?.length ?? 16,
    name: `s${i}`,
    ...s,
  })),
  entry: { mode: 'long', rip: 0n },
  symbols: [],
  notes: [],
  ...more,
});

/** A target that is a buffer of used memory, so that forgotten zeros show. */
function target(size: number): PlaceTarget & { readonly memory: Uint8Array; readonly calls: string[] } {
  const memory = new Uint8Array(size).fill(0xee);
  const calls: string[] = [];
  return {
    memory,
    calls,
    ranges: [{ base: 0, size }],
    write: (gpa, bytes) => {
      calls.push('write');
      memory.set(bytes, gpa);
    },
    zero: (gpa, length) => {
      calls.push('zero');
      memory.fill(0, gpa, gpa + length);
    },
  };
}

describe('place', () => {
  test('content, then zeros to the end of the segment, and nothing else', () => {
    const into = target(256);
    expect(
      place(
        image([
          { gpa: 16, memSize: 40 },
          { gpa: 100, bytes: new Uint8Array(), memSize: 10 },
        ]),
        into,
      ),
    ).toEqual([]);
    const expected = new Uint8Array(256).fill(0xee);
    expected.fill(1, 16, 32).fill(0, 32, 56).fill(0, 100, 110);
    expect(into.memory).toEqual(expected);
    expect(into.calls).toEqual(['write', 'zero', 'zero']);
  });

  test('ROM segments are handed back, not written', () => {
    const into = target(256);
    const roms = place(image([{ gpa: 0 }, { gpa: 0xffff_f000, rom: true }]), into);
    expect(roms.map((s) => s.name)).toEqual(['s1']);
    expect(into.calls).toEqual(['write']);
  });

  test('nothing is written when the last segment is refused', () => {
    const into = target(256);
    refused(() => place(image([{ gpa: 0 }, { gpa: 250 }]), into), 'OUTSIDE_RAM', /segment "s1"/);
    expect(into.calls).toEqual([]);
  });

  test('a segment may span adjacent ranges', () => {
    checkPlan(image([{ gpa: MIB - 8 }]), [
      { base: 0, size: MIB },
      { base: MIB, size: MIB },
    ]);
  });

  test('what is written is what a naive oracle writes', () => {
    const part = fc.record({ gap: fc.nat(20), size: fc.nat(20), more: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 12 }), (parts) => {
        let at = 0;
        const expected = new Uint8Array(1024).fill(0xee);
        const segments = parts.map(({ gap, size, more }, i) => {
          const gpa = at + gap;
          at = gpa + size + more;
          expected.fill(i + 1, gpa, gpa + size).fill(0, gpa + size, at);
          return { gpa, bytes: new Uint8Array(size).fill(i + 1), memSize: size + more };
        });
        const into = target(1024);
        place(image(segments.toReversed().map((s) => s)), into);
        expect(into.memory).toEqual(expected);
      }),
    );
  });
});

describe('checkPlan refusals', () => {
  test('outside RAM: names the segment, its range, the RAM, and what would do', () => {
    const error = refused(
      () => checkPlan(image([{ gpa: 100 * MIB, name: '.text' }]), RAM),
      'OUTSIDE_RAM',
      /segment "\.text" at 0x6400000-0x6400010 is outside guest RAM \(0x0-0x4000000\): give the guest at least 101 MiB with --mem/,
    );
    expect(error.details).toMatchObject({ name: 'segment ".text"', gpa: 100 * MIB, size: 16 });
  });

  test.each([
    ['in the device window', 0xd000_0000, /the device window 0xc0000000-0x100000000 is never RAM/],
    ['above 4 GiB', 0x1_0000_0000, /at least 3073 MiB/],
    ['at an absurd address', 2 ** 50, /no guest has that much RAM/],
    ['across the end', 64 * MIB - 1, /at least 65 MiB/],
  ])('%s', (_, gpa, message) => {
    refused(() => checkPlan(image([{ gpa }]), RAM), 'OUTSIDE_RAM', message);
  });

  test('BSS counts', () => {
    refused(() => checkPlan(image([{ gpa: 0, memSize: 65 * MIB }]), RAM), 'OUTSIDE_RAM', /0x0-0x4100000/);
  });

  test('overlap names both', () => {
    refused(
      () => checkPlan(image([{ gpa: 0x1000 }, { gpa: 0x100f }]), RAM),
      'OVERLAP',
      /segment "s1" at 0x100f-0x101f overlaps segment "s0" at 0x1000-0x1010: load one of them elsewhere/,
    );
  });

  test('overlap with a long segment further below', () => {
    refused(
      () =>
        checkPlan(
          image([
            { gpa: 0, memSize: 0x1000 },
            { gpa: 0x10, memSize: 16 },
          ]),
          RAM,
        ),
      'OVERLAP',
      /overlaps/,
    );
  });

  test('overlap with a reservation', () => {
    const reserved = [{ gpa: 8, size: 100, name: 'init_size' }];
    refused(
      () => checkPlan(image([{ gpa: 0 }], { reserved }), RAM),
      'OVERLAP',
      /reserved range "init_size" at 0x8-0x6c overlaps segment "s0"/,
    );
  });

  test('a reservation outside RAM', () => {
    const reserved = [{ gpa: 8, size: 65 * MIB, name: 'init_size' }];
    refused(() => checkPlan(image([], { reserved }), RAM), 'OUTSIDE_RAM', /reserved range "init_size"/);
  });

  test('a ROM over RAM', () => {
    refused(
      () => checkPlan(image([{ gpa: 0x1000, rom: true }]), RAM),
      'OVERLAP',
      /overlaps RAM .* give the guest less memory/,
    );
  });

  test('an entry point that is nowhere', () => {
    const entry = { mode: 'long', rip: 0x9000_0000n } as const;
    refused(
      () => checkPlan(image([{ gpa: 0 }], { entry }), RAM),
      'OUTSIDE_RAM',
      /the entry point 0x90000000 is outside guest RAM/,
    );
  });

  test('the reset vector counts its segment base', () => {
    const entry = { mode: 'real', rip: 0xfff0n, cs: { selector: 0xf000, base: 0xffff_0000 } } as const;
    checkPlan(image([{ gpa: 0xffff_0000, rom: true, bytes: new Uint8Array(65_536), memSize: 65_536 }], { entry }), RAM);
    refused(() => checkPlan(image([{ gpa: 0 }], { entry }), RAM), 'OUTSIDE_RAM', /entry point 0xfffffff0/);
  });

  test.each([
    ['more content than memory', { memSize: 8 }],
    ['a negative address', { gpa: -16 }],
    ['a fraction', { gpa: 0.5 }],
  ])('a segment with %s', (_, part) => {
    refused(() => checkPlan(image([part]), RAM), 'OVERLAP', /is no range of memory/);
  });
});
