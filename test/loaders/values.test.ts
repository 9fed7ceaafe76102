import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { guestPath } from '../../guests/list.ts';
import { load } from '../../loaders/index.ts';
import { elf, guest, MIB } from './build.ts';

const SECTIONS = [
  { name: '.data', type: 1, flags: 3, addr: 0xffff_ffff_8020_0000n, bytes: new Uint8Array(32) },
  { name: '.bss', type: 8, flags: 3, addr: 0xffff_ffff_8020_0020n, size: 64 },
];

/** Linked high, loaded at 2 MiB: 32 bytes from the file, 64 bytes of zeros. */
const image = (set: Record<string, number | bigint>) =>
  load(
    elf({
      entry: 0xffff_ffff_8020_0000n,
      segments: [{ vaddr: 0xffff_ffff_8020_0000n, paddr: 0x20_0000n, bytes: new Uint8Array(32).fill(0xaa), memsz: 96 }],
      sections: SECTIONS,
      symbols: [
        { name: 'word', value: 0xffff_ffff_8020_0008n, size: 8, type: 1, section: 1 },
        { name: 'byte', value: 0xffff_ffff_8020_0010n, size: 1, type: 1, section: 1 },
        { name: 'zeroed', value: 0xffff_ffff_8020_0030n, size: 4, type: 1, section: 2 },
        { name: 'table', value: 0xffff_ffff_8020_0040n, size: 24, type: 1, section: 2 },
        { name: 'outside', value: 0xffff_ffff_9000_0000n, size: 8, type: 1, section: 1 },
      ],
    }),
    guest(64, { set }),
  );

describe('initial values by symbol', () => {
  it('are written little-endian, in the width of the variable, at its physical address', () => {
    const [segment] = image({ word: 0x0102n, byte: -1 }).segments;
    expect(segment!.gpa).toBe(2 * MIB);
    expect([...segment!.bytes.subarray(8, 18)]).toEqual([2, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xaa]);
    expect(segment!.memSize).toBe(96);
  });

  it('reach into the zeroed part, and no further than needed', () => {
    const [segment] = image({ zeroed: 7 }).segments;
    expect(segment!.bytes.length).toBe(0x34);
    expect([...segment!.bytes.subarray(0x2c)]).toEqual([0, 0, 0, 0, 7, 0, 0, 0]);
  });

  it.each([
    [{ wrod: 1 }, /no such symbol.*is it word|no such symbol/],
    [{ table: 1 }, /24 bytes/],
    [{ byte: 256 }, /256 does not fit its 8 bits/],
    [{ byte: -129 }, /does not fit/],
    [{ word: 1.5 }, /1.5 does not fit/],
    [{ outside: 1 }, /in no segment/],
  ])('refuses %j', (set, message) => {
    expect(() => image(set as Record<string, number>)).toThrow(message);
  });

  it('set the parameters of a shipped guest as its builder would', () => {
    const bytes = readFileSync(guestPath('memory-writer'));
    const { segments, symbols, notes } = load(bytes, guest(64, { set: { param_pages: 3n } }));
    const symbol = symbols.find(({ name }) => name === 'param_pages')!;
    const holder = segments.find(
      ({ gpa, memSize }) => Number(symbol.address) >= gpa && Number(symbol.address) < gpa + memSize,
    )!;
    expect(holder.bytes[Number(symbol.address) - holder.gpa]).toBe(3);
    expect(notes).toEqual(load(bytes, guest()).notes);
  });
});
