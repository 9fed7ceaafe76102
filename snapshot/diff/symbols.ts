/** Guest symbols as a diff sees them: an interface, so that reading executables stays out of here. */

/** A named place, by linear address. */
export interface DiffSymbol {
  readonly name: string;
  readonly address: bigint;
  /** Bytes; 0 where unknown. */
  readonly size: number;
  readonly section?: string;
}

/** Where symbols come from. */
export interface SymbolSource {
  /** All, ascending by address. */
  readonly symbols: readonly DiffSymbol[];
  /** The symbol that an address belongs to. */
  nearest(address: bigint): { readonly symbol: DiffSymbol; readonly offset: bigint } | undefined;
}

/** A stretch of linear addresses that belongs to one symbol, or to none. */
export interface Span {
  readonly from: bigint;
  /** First address behind it. */
  readonly to: bigint;
  readonly symbol?: DiffSymbol;
}

/** How far a label without a size is believed to reach, in bytes. */
const LABEL_REACH = 4096n;
const TOP = 1n << 64n;

/** Looks addresses up, quickly when they come in order: the last span found is asked first. */
export function spanFinder(source: SymbolSource): (address: bigint) => Span {
  const { symbols } = source;
  let last: Span = { from: 0n, to: 0n };
  return (address) => {
    if (address < last.from || address >= last.to) last = find(address);
    return last;
  };

  function find(address: bigint): Span {
    const next = symbols[firstAbove(symbols, address)]?.address ?? TOP;
    const found = source.nearest(address);
    if (!found) return { from: address, to: next };
    const { symbol, offset } = found;
    const reach = symbol.size > 0 ? BigInt(symbol.size) : LABEL_REACH;
    if (offset >= reach) return { from: address, to: next };
    const end = symbol.address + reach;
    return { from: address, to: end < next ? end : next, symbol };
  }
}

/** Index of the first symbol above an address. */
function firstAbove(symbols: readonly DiffSymbol[], address: bigint): number {
  let low = 0;
  let high = symbols.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (symbols[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** "ticks", "buffer+0x20". */
export function symbolText({ name, address }: DiffSymbol, at: bigint): string {
  return at === address ? name : `${name}+0x${(at - address).toString(16)}`;
}
