import { describe, expect, it } from 'vitest';
import * as aml from '../../../src/machine/acpi/aml.ts';
import { uint, withChecksum } from '../../../src/machine/acpi/bytes.ts';

describe('AML terms', () => {
  it.each([
    [0, [0x00]],
    [1, [0x01]],
    [2, [0x0a, 2]],
    [0xff, [0x0a, 0xff]],
    [0x100, [0x0b, 0x00, 0x01]],
    [0xffff, [0x0b, 0xff, 0xff]],
    [0xfeb0_0000, [0x0c, 0, 0, 0xb0, 0xfe]],
  ])('the integer %i in the shortest form', (value, bytes) => {
    expect(aml.integer(value)).toEqual(bytes);
  });

  it('a Plug and Play id is the number that the specification gives for it', () => {
    expect(aml.eisaId('PNP0C0C')).toEqual([0x0c, ...uint(0x0c0c_d041, 4)]);
    expect(aml.eisaId('PNP0501')).toEqual([0x0c, ...uint(0x0105_d041, 4)]);
  });

  it.each([
    [0, [1]],
    [62, [63]],
    [63, [0x40 | 1, 4]], // 65 bytes with both of length
    [4093, [0x40 | 0xf, 0xff]],
    [4094, [0x80 | 1, 0x00, 0x01]],
    [2 ** 20 - 4, [0x80 | 0xf, 0xff, 0xff]],
    [2 ** 20 - 3, [0xc0 | 1, 0x00, 0x00, 0x01]],
  ])('a length of %i counts itself', (size, length) => {
    const bytes = aml.counted(new Array<number>(size).fill(7));
    expect(bytes.slice(0, bytes.length - size)).toEqual(length);
  });

  it('names are four characters, and may begin at the root', () => {
    expect(Buffer.from(aml.nameString('GED')).toString()).toBe('GED_');
    expect(Buffer.from(aml.nameString('\\_SB')).toString()).toBe('\\_SB_');
  });
});

describe('bytes', () => {
  it('a checksum makes the sum zero, whatever was there before', () => {
    for (const sum of [withChecksum([1, 2, 200], 1), withChecksum([255, 255, 0], 2), withChecksum([0, 0], 0)])
      expect(sum.reduce((a, b) => a + b) % 256).toBe(0);
  });

  it('integers beyond 32 bits', () => {
    expect(uint(0x1_0000_0002, 8)).toEqual([2, 0, 0, 0, 1, 0, 0, 0]);
  });
});
