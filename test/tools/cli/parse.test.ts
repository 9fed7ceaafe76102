import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  collect,
  parseAddress,
  parseBlob,
  parseCount,
  parseDuration,
  parseMemory,
  parseSize,
} from '../../../tools/cli/parse.ts';

type Row = readonly [parse: (text: string) => unknown, good: Readonly<Record<string, unknown>>, bad: readonly string[]];

const MIB = 2 ** 20;
const NOT_NUMBERS = ['', ' ', '-1', '+1', '1.5', '1e3', 'x', '0x', 'NaN', 'Infinity', '１', '1 2'];

const TABLE: Readonly<Record<string, Row>> = {
  sizes: [
    (text) => parseSize(text),
    { '0': 0, '4096': 4096, '1k': 1024, '64M': 64 * MIB, '2GiB': 2 ** 31, '1tb': 2 ** 40, '3 MB': 3 * MIB },
    [...NOT_NUMBERS, '1x', '1mm', '9007199254740993', '99999999T', 'M', '0x10'],
  ],
  RAM: [
    parseMemory,
    { '64': 64 * MIB, '1024k': MIB, '512M': 512 * MIB, '4G': 2 ** 32, '1T': 2 ** 40 },
    [...NOT_NUMBERS, '0', '1k', '1023k', '1025T', '2T', '5000001', '1048577B', '1048575B'],
  ],
  addresses: [
    parseAddress,
    { '0': 0, '4096': 4096, '0x7c00': 0x7c00, '0X10': 16, '0xfffffffffffff': 2 ** 52 - 1 },
    [...NOT_NUMBERS, '0x10000000000000', '0xffffffffffffffff', '7c00', '0b1', '1k'],
  ],
  durations: [
    parseDuration,
    { '50us': 0.05, '0.5ms': 0.5, '500ms': 500, '1.5s': 1500, '2m': 120_000, '1h': 3_600_000 },
    ['', '0', '5', '0.5', '0s', '-1s', '1d', 's', '1 s', '1e3', '0x10', '25d', '600h', 'Infinity'],
  ],
  counts: [
    parseCount,
    { '1': 1, '16': 16, '999999999': 999_999_999 },
    ['0', '01', '-1', '1.0', '', '1k', '9999999999'],
  ],
};

describe.each(Object.entries(TABLE))('%s', (_name, [parse, good, bad]) => {
  it.each(Object.entries(good))('%s is %d', (text, value) => {
    expect(parse(text)).toBe(value);
  });

  it.each(bad)('"%s" is refused', (text) => {
    expect(() => parse(text)).toThrow(InvalidArgumentError);
  });
});

describe('repeated options', () => {
  it('blobs are ADDR=FILE, and the file may have any name', () => {
    const two = parseBlob('4096=b=c', parseBlob('0xf0000=a'));
    expect(two).toEqual([
      { gpa: 0xf0000, file: 'a' },
      { gpa: 4096, file: 'b=c' },
    ]);
  });

  it.each(['', '=', 'x', '0x10=', '=file', 'zz=file', '0x10000000000000=file'])('"%s" is no blob', (text) => {
    expect(() => parseBlob(text)).toThrow(InvalidArgumentError);
  });

  it('modules are collected in order', () => {
    expect(collect('b', collect('a'))).toEqual(['a', 'b']);
  });
});
