/** Symbols by address and by name, for fault reports and diffs. */
import { checkArguments } from '../src/arguments.ts';
import { isObject, listOf } from '../src/options.ts';
import type { GuestSymbol } from './image.ts';

/** An address as a symbol and an offset. */
export interface Nearest {
  readonly symbol: GuestSymbol;
  /** Bytes from the symbol's address. */
  readonly offset: bigint;
}

/** Bytes up to which an address that no symbol covers is named by the closest symbol below it. */
const UNSIZED_REACH = 0x10_0000n;

const RANK: Readonly<Record<GuestSymbol['kind'], number>> = { function: 0, object: 1, other: 2 };

/**
 * An immutable index over symbols. Lookups are binary searches; building it sorts once.
 *
 * @example
 * ```ts
 * import { load, readImage, SymbolTable } from 'vmlapse';
 * import { guestPath } from 'vmlapse/guests';
 *
 * using file = readImage(guestPath('compute'));
 * const image = load(file.bytes, { memoryMap: [{ base: 0, size: 2 ** 24, type: 1 }] });
 * const symbols = new SymbolTable(image.symbols);
 * console.log(symbols.byName('compute_hash')?.address.toString(16)); // 201000
 * console.log(symbols.describe(0x201004n)); // compute_hash+0x4
 * ```
 */
export class SymbolTable {
  readonly #sorted: readonly GuestSymbol[];
  readonly #byName: ReadonlyMap<string, GuestSymbol>;

  constructor(symbols: readonly GuestSymbol[]) {
    checkArguments('new SymbolTable', [symbols, listOf('symbols', isObject)]);
    this.#sorted = [...symbols].sort(byAddress);
    const named = new Map<string, GuestSymbol>();
    for (const symbol of symbols) if (!named.has(symbol.name)) named.set(symbol.name, symbol);
    this.#byName = named;
  }

  /** Number of symbols. */
  get size(): number {
    return this.#sorted.length;
  }

  /** All symbols, ascending by address. */
  get symbols(): readonly GuestSymbol[] {
    return this.#sorted;
  }

  /** The symbol that holds `address`, else the closest one below it within 1 MiB; undefined when nothing is near. */
  nearest(address: bigint): Nearest | undefined {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const below = this.#sorted[low - 1];
    if (!below) return undefined;
    const symbol = this.#holder(low - 1, address) ?? this.#firstAt(low - 1);
    const offset = address - symbol.address;
    return offset < BigInt(symbol.size) || offset <= UNSIZED_REACH ? { symbol, offset } : undefined;
  }

  /** The first symbol of that name in file order. */
  byName(name: string): GuestSymbol | undefined {
    return this.#byName.get(name);
  }

  /** "main+0x12", or undefined when nothing is near. */
  describe(address: bigint): string | undefined {
    const found = this.nearest(address);
    if (!found) return undefined;
    return found.offset === 0n ? found.symbol.name : `${found.symbol.name}+0x${found.offset.toString(16)}`;
  }

  /** A sized symbol at or a few places below `index` that covers the address: labels inside functions are skipped. */
  #holder(index: number, address: bigint): GuestSymbol | undefined {
    const NEIGHBOURS = 32;
    let best: GuestSymbol | undefined;
    for (let i = index; i >= 0 && i > index - NEIGHBOURS; i--) {
      const symbol = this.#sorted[i]!;
      if (best && best.address !== symbol.address) break;
      if (address < symbol.address + BigInt(symbol.size) && (!best || RANK[symbol.kind] <= RANK[best.kind]))
        best = symbol;
    }
    return best;
  }

  /** Of symbols at the same address, the first in sort order: functions before objects before labels. */
  #firstAt(index: number): GuestSymbol {
    const { address } = this.#sorted[index]!;
    while (index > 0 && this.#sorted[index - 1]!.address === address) index--;
    return this.#sorted[index]!;
  }
}

function byAddress(a: GuestSymbol, b: GuestSymbol): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return RANK[a.kind] - RANK[b.kind] || b.size - a.size || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
