import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { load, place } from '../../loaders/index.ts';
import { LoadError } from '../../src/errors.ts';
import { elf, guest, join, MIB, padTo, quads } from './build.ts';
import { shapes } from './shapes.ts';

const part = fc.record({
  gap: fc.nat(5000),
  content: fc.uint8Array({ maxLength: 200 }),
  bss: fc.nat(5000),
  flags: fc.integer({ min: 0, max: 7 }),
});

describe('any ELF file that a linker could make', () => {
  test('lands in memory as its program headers say, whatever their order, class and virtual addresses', () => {
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 8 }),
        fc.constantFrom<32 | 64>(32, 64),
        fc.constantFrom(0n, 0x4000_0000n),
        fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
        (parts, bits, offset, order) => {
          const expected = new Uint8Array(MIB).fill(0xee);
          let at = 0x1_0000;
          const segments = parts.map(({ gap, content, bss, flags }, i) => {
            const gpa = at + gap;
            const memsz = content.length + bss + (i === 0 ? 1 : 0);
            at = gpa + memsz;
            expected.fill(0, gpa, at).set(content, gpa);
            return { vaddr: BigInt(gpa) + offset, paddr: BigInt(gpa), bytes: content, memsz, flags };
          });
          const shuffled = segments.toSorted((a, b) => order[segments.indexOf(a)]! - order[segments.indexOf(b)]!);
          const image = load(elf({ bits, entry: segments[0]!.vaddr, segments: shuffled }), guest(64));
          expect(image.entry.rip).toBe(segments[0]!.paddr);
          const memory = new Uint8Array(MIB).fill(0xee);
          place(image, {
            ranges: [{ base: 0, size: MIB }],
            write: (gpa, bytes) => memory.set(bytes, gpa),
            zero: (gpa, length) => memory.fill(0, gpa, gpa + length),
          });
          expect(Buffer.compare(memory, expected)).toBe(0);
        },
      ),
    );
  });

  test('static-PIE: RELA, and the same pointers as RELR, at any base', () => {
    const WORDS = 200;
    const pointers = fc.uniqueArray(fc.nat(WORDS - 1), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(pointers, fc.integer({ min: 1, max: 4000 }), fc.boolean(), (unsorted, page, packed) => {
        const slots = unsorted.toSorted((a, b) => a - b);
        const base = BigInt(page * 4096);
        const content = quads(...Array.from({ length: WORDS }, (_, i) => BigInt(i * 3)));
        const table = packed ? relr(slots) : join(...slots.map((s) => quads(BigInt(s * 8), 8n, BigInt(s * 3))));
        const tags = packed ? [36, 0x800, 35, table.length] : [7, 0x800, 8, table.length];
        const dynamic = quads(...[...tags, 0, 0].map(BigInt));
        const file = elf({
          type: 3,
          segments: [
            { vaddr: 0n, bytes: join(padTo(content, 0x800), padTo(table, 0x800), dynamic), flags: 7 },
            { type: 2, inside: { segment: 0, at: 0x1000, size: dynamic.length } },
          ],
        });
        const { bytes } = load(file, guest(64, { load: Number(base) })).segments[0]!;
        const found = Array.from({ length: WORDS }, (_, i) => Buffer.from(bytes).readBigUInt64LE(i * 8));
        expect(found).toEqual(Array.from({ length: WORDS }, (_, i) => BigInt(i * 3) + (slots.includes(i) ? base : 0n)));
      }),
    );
  });
});

/** Encodes word slots (ascending) the way a linker does: an address, then bitmaps of 63 words while they help. */
function relr(slots: readonly number[]): Uint8Array {
  const out: bigint[] = [];
  for (let i = 0; i < slots.length; ) {
    out.push(BigInt(slots[i]! * 8));
    let from = slots[i++]! + 1;
    for (;;) {
      let bitmap = 0n;
      while (i < slots.length && slots[i]! < from + 63) bitmap |= 1n << BigInt(slots[i++]! - from + 1);
      if (bitmap === 0n) break;
      out.push(bitmap | 1n);
      from += 63;
    }
  }
  return quads(...out);
}

test.each(shapes())('every truncation of %s is refused or planned', (_, bytes) => {
  for (let length = 0; length < bytes.length; length += length < 1024 ? 1 : 61) {
    try {
      const image = load(bytes.slice(0, length), guest());
      expect(image.segments.every((s) => s.bytes.length <= s.memSize)).toBe(true);
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
    }
  }
});

test('a 256 MiB segment is a view: planning it copies nothing', () => {
  const size = 256 * MIB;
  const header = elf({ segments: [{ vaddr: 0x10_0000n, bytes: new Uint8Array(16) }] });
  const file = new Uint8Array(header.length + size);
  file.set(header);
  const view = new DataView(file.buffer);
  view.setBigUint64(64 + 32, BigInt(size), true);
  view.setBigUint64(64 + 40, BigInt(size), true);
  const before = process.memoryUsage().arrayBuffers;
  const image = load(file, guest(512));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
  expect(image.segments[0]!.bytes).toHaveLength(size);
  expect(image.segments[0]!.bytes.buffer).toBe(file.buffer);
});
