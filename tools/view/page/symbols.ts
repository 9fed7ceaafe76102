/** Looking up symbols, which are sorted by address. */
import type { SymbolRow } from '../timeline-types.ts';

/** A label without a size is believed to reach so far, in bytes. */
const LABEL_REACH = 4096;
/** Symbols before the nearest one that may still cover an address. */
const LOOK_BACK = 8;

/** Index of the first symbol at an address or behind it. */
function firstFrom(symbols: readonly SymbolRow[], gpa: number): number {
  let [low, high] = [0, symbols.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (symbols[middle]![0] < gpa) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether an address belongs to a symbol that has a size. */
export const covers = ([from, size]: SymbolRow, gpa: number): boolean => gpa >= from && gpa < from + size;

/** The symbol that an address belongs to. */
export function symbolAt(symbols: readonly SymbolRow[], gpa: number): SymbolRow | undefined {
  const next = firstFrom(symbols, gpa + 1);
  for (let i = next - 1; i >= 0 && i >= next - LOOK_BACK; i--) {
    const symbol = symbols[i]!;
    if (gpa < symbol[0] + (symbol[1] || LABEL_REACH)) return symbol;
  }
  return undefined;
}

/** The symbols that begin between two addresses. */
export const symbolsIn = (symbols: readonly SymbolRow[], from: number, until: number): readonly SymbolRow[] =>
  symbols.slice(firstFrom(symbols, from), firstFrom(symbols, until));
