import { describe, expect, it } from 'vitest';
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { commitMadeUp, pageWith } from '../show/made-up.ts';
import { temporaryDirectory } from '../store/support.ts';
import { compare, data, table } from './compare.ts';

const PAGE = 4096;

describe('names', () => {
  it('neighbouring counters are told apart, and shown whole', () => {
    const memory = compare(
      new Map([[0x1000, pageWith({ 16: [0xff, 0, 1] })]]),
      new Map([[0x1000, pageWith({ 16: [0, 1, 1], 24: [5], 40: [1] })]]),
      table(data('ticks', 0x1010n, 8), data('errors', 0x1018n, 8), data('buffer', 0x1020n, 64)),
    );
    expect(memory.ranges.map(({ symbol, linear, value }) => [symbol?.name, linear, value])).toEqual([
      ['ticks', 0x1010n, { before: 0x1_00ffn, after: 0x1_0100n }],
      ['errors', 0x1018n, { before: 0n, after: 5n }],
      ['buffer', 0x1028n, undefined],
    ]);
    expect(memory.places.map(({ name, bytes, section }) => [name, bytes, section])).toEqual([
      ['ticks', 2, '.data'],
      ['errors', 1, '.data'],
      ['buffer', 1, '.data'],
    ]);
  });

  it('a run of bytes over two symbols and the gap behind them is cut at their borders', () => {
    const memory = compare(
      new Map([[0x1000, new Uint8Array(PAGE)]]),
      new Map([[0x1000, pageWith({ 0: Array(32).fill(7) })]]),
      table(data('a', 0x1000n, 8), data('b', 0x1008n, 8)),
    );
    expect(memory.ranges.map(({ gpa, length, symbol }) => [gpa, length, symbol?.name])).toEqual([
      [0x1000, 8, 'a'],
      [0x1008, 8, 'b'],
      [0x1010, 16, undefined],
    ]);
  });

  it('a label without a size does not claim memory far away', () => {
    const memory = compare(
      new Map(),
      new Map([
        [0x1000, pageWith({ 4: [1] })],
        [0x40_0000, pageWith({ 0: [1] })],
      ]),
      table({ name: '_end', address: 0x1000n, size: 0 }),
    );
    expect(memory.ranges.map(({ symbol }) => symbol?.name)).toEqual(['_end', undefined]);
  });
});

describe('two guests', () => {
  const origin = (sha256: string) => ({ path: `/guests/${sha256}.elf`, sha256, format: 'elf' });

  it.each([
    ['one', 'other', undefined, ['these are two guests, one.elf and other.elf: memory is not named by symbols']],
    ['one', 'one', 'ticks', []],
  ])('%s and %s: the name is %s', (first, second, name, remarks) => {
    using directory = temporaryDirectory();
    using store = openStore(directory.path, { create: true });
    const page = new Map([[0x1000, pageWith({ 16: [1] })]]);
    using a = store.open(commitMadeUp(store, { guest: origin(first) }, new Map()));
    using b = store.open(commitMadeUp(store, { guest: origin(second) }, page));
    const diff = diffCheckpoints(a, b, { symbols: table(data('ticks', 0x1010n, 8)) });
    expect(diff.memory.ranges.map(({ symbol }) => symbol?.name)).toEqual([name]);
    expect(diff.remarks).toEqual(remarks);
  });
});

describe('names through page tables', () => {
  const entry = (value: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
    return [...bytes];
  };
  const changed = new Map([[0x50_0000, pageWith({ 291: [1] })]]);

  it('4 levels: a kernel in the upper half', () => {
    const linear = 0xffff_ffff_8000_0123n; // PML4 511, PDPT 510, PD 0, PT 0
    const tables = new Map([
      [0x1000, pageWith({ [511 * 8]: entry(0x2003) })],
      [0x2000, pageWith({ [510 * 8]: entry(0x3003) })],
      [0x3000, pageWith({ 0: entry(0x4003) })],
      [0x4000, pageWith({ 0: entry(0x50_0003) })],
    ]);
    const memory = compare(tables, changed, table(data('jiffies', linear, 1)), {
      sregs: { cr0: 0x8000_0011n, cr3: 0x1000n, cr4: 0x20n, efer: 0x500n },
    });
    expect(memory.ranges).toMatchObject([{ gpa: 0x50_0123, linear, symbol: { name: 'jiffies' } }]);
  });

  it('4 levels with a 2 MiB page', () => {
    const linear = 0x4010_0123n;
    const tables = new Map([
      [0x1000, pageWith({ 0: entry(0x2003) })],
      [0x2000, pageWith({ 8: entry(0x3003) })],
      [0x3000, pageWith({ 0: entry(0x40_0083) })],
    ]);
    const memory = compare(tables, changed, table(data('large', linear, 1)), {
      sregs: { cr0: 0x8000_0011n, cr3: 0x1000n, cr4: 0x20n, efer: 0x500n },
    });
    expect(memory.ranges).toMatchObject([{ gpa: 0x50_0123, linear, symbol: { name: 'large' } }]);
  });

  it('PAE', () => {
    const linear = 0xc000_0123n;
    const tables = new Map([
      [0x1000, pageWith({ [0x20 + 24]: entry(0x3001) })],
      [0x3000, pageWith({ 0: entry(0x4003) })],
      [0x4000, pageWith({ 0: entry(0x50_0003) })],
    ]);
    const memory = compare(tables, changed, table(data('pae', linear, 1)), {
      sregs: { cr0: 0x8000_0011n, cr3: 0x1020n, cr4: 0x20n },
    });
    expect(memory.ranges).toMatchObject([{ linear, symbol: { name: 'pae' } }]);
  });

  it('32-bit paging', () => {
    const linear = 0xc000_0123n;
    const word = (value: number) => entry(value).slice(0, 4);
    const tables = new Map([
      [0x1000, pageWith({ [768 * 4]: word(0x3003) })],
      [0x3000, pageWith({ 0: word(0x50_0003) })],
    ]);
    const memory = compare(tables, changed, table(data('legacy', linear, 1)), {
      sregs: { cr0: 0x8000_0011n, cr3: 0x1000n },
    });
    expect(memory.ranges).toMatchObject([{ linear, symbol: { name: 'legacy' } }]);
  });

  it('an address that nothing maps names nothing', () => {
    const memory = compare(new Map(), changed, table(data('lost', 0x50_0123n, 1)), {
      sregs: { cr0: 0x8000_0011n, cr3: 0x1000n, cr4: 0x20n, efer: 0x500n },
    });
    expect(memory.ranges[0]?.symbol).toBeUndefined();
    expect(memory.bytesChanged).toBe(1);
  });
});
