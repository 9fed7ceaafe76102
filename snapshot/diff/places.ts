/** Names for guest-physical addresses: the symbol that lies there, or else the region of memory. */
import { hex } from '../../src/abi/numbers.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import { type DiffSymbol, type SymbolSource, spanFinder } from './symbols.ts';

/** A stretch of guest-physical addresses that belongs to one symbol, or to none. */
export interface Stretch {
  readonly from: number;
  /** First address behind it. */
  readonly until: number;
  readonly symbol?: DiffSymbol;
  /** Linear address of `from`, where a symbol is. */
  readonly linear?: bigint;
  /** The part of memory, for what no symbol covers. */
  readonly region: string;
}

/** Answers where an address belongs. Quick when asked in ascending order. */
export type PlaceNames = (gpa: number) => Stretch;

const MIB = 2 ** 20;
/** Addresses of the first byte and of the first byte behind. */
type Region = readonly [from: number, until: number, name: string];
/** What lies below 1 MiB on a PC. */
const LOW: readonly Region[] = [
  [0, 0x1000, 'first page'],
  [0x1000, 0xa_0000, 'conventional memory'],
  [0xa_0000, 0xc_0000, 'video memory'],
  [0xc_0000, MIB, 'BIOS area'],
];

/** A part of memory, by its PC name below 1 MiB and by the MiB above. */
function regionAt(gpa: number): Region {
  const low = LOW.find(([from, to]) => gpa >= from && gpa < to);
  if (low) return low;
  const base = gpa - (gpa % MIB);
  return [base, base + MIB, `${hex(base)}..${hex(base + MIB - 1)}`];
}

const NO_PAGES: ReadonlyMap<number, bigint> = new Map();
const NO_SYMBOLS: SymbolSource = { symbols: [], nearest: () => undefined };

/** Names from symbols. `pages`: linear page address of the guest-physical pages that symbols lie in. */
export function placeNames(source: SymbolSource = NO_SYMBOLS, pages = NO_PAGES): PlaceNames {
  const spanAt = spanFinder(source);
  let last: Stretch = { from: 0, until: 0, region: '' };
  let around: Region = [0, 0, ''];
  const find = (gpa: number): Stretch => {
    const page = gpa - (gpa % PAGE_SIZE);
    const linearPage = pages.get(page);
    if (gpa < around[0] || gpa >= around[1]) around = regionAt(gpa);
    const region = around[2];
    if (linearPage === undefined) return { from: gpa, until: page + PAGE_SIZE, region };
    const linear = linearPage + BigInt(gpa - page);
    const { to, symbol } = spanAt(linear);
    const until = Math.min(page + PAGE_SIZE, gpa + Number(to - linear));
    return { from: gpa, until, region, ...(symbol && { symbol, linear }) };
  };
  return (gpa) => {
    if (gpa < last.from || gpa >= last.until) last = find(gpa);
    return last;
  };
}
