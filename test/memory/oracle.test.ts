import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/memory/guest-memory.ts';

const SIZE = 2 ** 20;
const PAGES = SIZE / 4096;

/** Addresses near page edges, where mistakes live, and anywhere else. */
const address = fc.oneof(
  fc.tuple(fc.nat(PAGES), fc.integer({ min: -3, max: 3 })).map(([page, off]) => clamp(page * 4096 + off)),
  fc.nat(SIZE - 1),
);
const clamp = (gpa: number) => Math.min(Math.max(gpa, 0), SIZE - 1);

const step = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), gpa: address, data: fc.uint8Array({ maxLength: 9000 }) }),
  fc.record({ kind: fc.constant('zero' as const), gpa: address, length: fc.nat(20_000) }),
  fc.record({ kind: fc.constant('read' as const), gpa: address, length: fc.nat(20_000) }),
);

/** The plain truth: an array of bytes, and the pages that must and that may be marked as written. */
class Oracle {
  readonly bytes = new Uint8Array(SIZE);
  readonly must = new Set<number>();
  readonly may = new Set<number>();

  write(gpa: number, data: Uint8Array): void {
    this.bytes.set(data, gpa);
    for (const page of pagesOf(gpa, data.length)) this.must.add(page);
  }

  /** A page that nobody ever touched is zero already and need not be marked. */
  zero(gpa: number, length: number): void {
    this.bytes.fill(0, gpa, gpa + length);
    for (const page of pagesOf(gpa, length)) this.may.add(page);
  }
}

function pagesOf(gpa: number, length: number): number[] {
  const pages: number[] = [];
  for (let page = gpa >> 12; page << 12 < gpa + length; page++) pages.push(page);
  return length === 0 ? [] : pages;
}

describe('guest memory against an array of bytes', () => {
  it('agrees after any sequence of writes, zeroings and reads, in content and in marked pages', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        using memory = GuestMemory.create(SIZE);
        const oracle = new Oracle();
        for (const s of steps) {
          const room = SIZE - s.gpa;
          const length = Math.min(s.kind === 'write' ? s.data.length : s.length, room);
          if (s.kind === 'write') {
            const data = s.data.subarray(0, length);
            memory.write(s.gpa, data);
            oracle.write(s.gpa, data);
          } else if (s.kind === 'zero') {
            memory.zero(s.gpa, length);
            oracle.zero(s.gpa, length);
          } else {
            const target = new Uint8Array(length);
            memory.readInto(s.gpa, target);
            expect(Buffer.compare(target, oracle.bytes.subarray(s.gpa, s.gpa + target.length))).toBe(0);
          }
        }
        expect(Buffer.compare(memory.read(0, SIZE), oracle.bytes)).toBe(0);
        const { hostDirty } = memory.regions[0]!;
        const marked: number[] = [];
        hostDirty.forEachRun((first, count) => marked.push(...pagesOf(first * 4096, count * 4096)));
        expect([...oracle.must].filter((page) => !marked.includes(page))).toEqual([]);
        expect(marked.filter((page) => !oracle.must.has(page) && !oracle.may.has(page))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});
