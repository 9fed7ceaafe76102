import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GuestSymbol } from '../../loaders/image.ts';
import { SymbolTable } from '../../loaders/symbols.ts';

const symbol = (name: string, address: bigint, size = 0, kind: GuestSymbol['kind'] = 'function'): GuestSymbol => ({
  name,
  address,
  size,
  kind,
});

describe('SymbolTable', () => {
  const table = new SymbolTable([
    symbol('second', 0x2000n, 0x100),
    symbol('first', 0x1000n, 0x100),
    symbol('inner', 0x1010n, 0, 'other'),
    symbol('data', 0x3000n, 8, 'object'),
    symbol('alias', 0x3000n, 0, 'other'),
  ]);

  test('the symbol that holds an address wins over a label inside it', () => {
    expect(table.describe(0x1000n)).toBe('first');
    expect(table.describe(0x1018n)).toBe('first+0x18');
    expect(table.describe(0x3004n)).toBe('data+0x4');
  });

  test('of nested symbols the inner one answers, whatever its kind', () => {
    const nested = new SymbolTable([symbol('outer', 0x1000n, 0x100), symbol('table', 0x1040n, 0x10, 'object')]);
    expect(nested.describe(0x1048n)).toBe('table+0x8');
    expect(nested.describe(0x1050n)).toBe('outer+0x50');
  });

  test('behind a sized symbol the closest one below answers', () => {
    expect(table.describe(0x1200n)).toBe('inner+0x1f0');
    expect(table.describe(0x3100n)).toBe('data+0x100');
  });

  test('nothing is near below the first symbol, and a mile above the last', () => {
    expect(table.nearest(0xfffn)).toBeUndefined();
    expect(table.nearest(0x3000n + 0x10_0000n)?.symbol.name).toBe('data');
    expect(table.nearest(0x3001n + 0x10_0000n)).toBeUndefined();
    expect(new SymbolTable([]).nearest(0n)).toBeUndefined();
  });

  test('by name', () => {
    expect(table.byName('second')?.address).toBe(0x2000n);
    expect(table.byName('toString')).toBeUndefined();
    expect(table.size).toBe(5);
  });

  test('a sized symbol agrees with a linear search (disjoint symbols)', () => {
    const disjoint = fc.array(fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 64 })), {
      maxLength: 50,
    });
    fc.assert(
      fc.property(disjoint, fc.integer({ min: 0, max: 5000 }), (runs, address) => {
        let at = 100n;
        const symbols = runs.map(([size, gap], i) => {
          const made = symbol(`s${i}`, at, size);
          at += BigInt(size + gap);
          return made;
        });
        const expected = symbols.find(
          (s) => BigInt(address) >= s.address && BigInt(address) < s.address + BigInt(s.size),
        );
        const found = new SymbolTable(symbols.toReversed()).nearest(BigInt(address));
        if (expected) expect(found).toEqual({ symbol: expected, offset: BigInt(address) - expected.address });
        else if (found) expect(found.offset >= BigInt(found.symbol.size)).toBe(true);
        else expect(symbols.every((s) => s.address > BigInt(address))).toBe(true);
      }),
    );
  });
});
