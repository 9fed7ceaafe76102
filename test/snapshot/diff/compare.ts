/** Comparing two made-up checkpoints, with made-up symbols. */
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import type { DiffSymbol, SymbolSource } from '../../../snapshot/diff/symbols.ts';
import { openStore } from '../../../snapshot/store/store.ts';
import { commitMadeUp, type MadeUp } from '../show/made-up.ts';
import { temporaryDirectory } from '../store/support.ts';

/** A table as the loaders make it, without them. */
export function table(...symbols: DiffSymbol[]): SymbolSource {
  const sorted = symbols.sort((a, b) => (a.address < b.address ? -1 : 1));
  return {
    symbols: sorted,
    nearest(address) {
      const symbol = sorted.findLast((s) => s.address <= address);
      return symbol && { symbol, offset: address - symbol.address };
    },
  };
}

/** A variable. */
export const data = (name: string, address: bigint, size: number): DiffSymbol => ({
  name,
  address,
  size,
  section: '.data',
});

/** Compares two made-up checkpoints, the second a child of the first. */
export function compare(
  before: ReadonlyMap<number, Uint8Array>,
  after: ReadonlyMap<number, Uint8Array>,
  symbols?: SymbolSource,
  made: MadeUp = {},
) {
  using directory = temporaryDirectory();
  using store = openStore(directory.path, { create: true });
  const parent = commitMadeUp(store, made, before);
  const child = commitMadeUp(store, made, after, { parent });
  using a = store.open(parent);
  using b = store.open(child);
  return diffCheckpoints(a, b, symbols ? { symbols } : {}).memory;
}
