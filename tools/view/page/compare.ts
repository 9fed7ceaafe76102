/** What differs between any two moments by name, as far as the bytes of their pages are in the file. */
import { hex, MIB } from '../../../src/abi/numbers.ts';
import type { Changes, SymbolRow } from '../timeline-types.ts';
import type { Model } from './model.ts';
import { PAGE_SIZE } from './model.ts';
import { covers, symbolAt } from './symbols.ts';

interface Place {
  readonly name: string;
  readonly section: string;
  readonly pages: Set<number>;
  bytes: number;
}

/** `unknown`: pages that may differ, whose bytes are not in the file. */
export type Compared = Changes & { readonly unknown: number };

const [PLACES_SHOWN, VALUES_SHOWN] = [12, 12];

export function comparePages(model: Model, now: number, base: number): Compared {
  const symbols = model.at(now).guest === model.at(base).guest ? model.symbols(now) : [];
  const places = new Map<string, Place>();
  const values = new Map<string, readonly [string, string, string]>();
  let [bytes, unknown] = [0, 0];
  let symbol: SymbolRow | undefined;
  for (const [cell, isChanged] of model.changedCells(now, base).entries()) {
    if (!isChanged) continue;
    const [before, after] = [model.page(base, cell), model.page(now, cell)];
    if (!before || !after) {
      unknown++;
      continue;
    }
    const page = model.cells[cell]!;
    for (let at = 0; at < PAGE_SIZE; at++) {
      if (before[at] === after[at]) continue;
      bytes++;
      // Mostly it is that of the byte before.
      if (!symbol || !covers(symbol, page + at)) symbol = symbolAt(symbols, page + at);
      const name = symbol?.[2] ?? regionOf(page);
      const place = places.get(name) ?? { name, section: symbol?.[3] ?? '', pages: new Set(), bytes: 0 };
      places.set(name, place);
      place.pages.add(cell);
      place.bytes++;
      if (symbol && !values.has(name) && values.size < VALUES_SHOWN) {
        const [old, value] = [variable(symbol, page, before), variable(symbol, page, after)];
        if (old !== undefined && value !== undefined) values.set(name, [name, old, value]);
      }
    }
  }
  const sorted = [...places.values()].sort((a, b) => b.bytes - a.bytes);
  return {
    bytes,
    places: sorted.slice(0, PLACES_SHOWN).map((place) => [place.name, place.section, place.pages.size, place.bytes]),
    more: Math.max(0, sorted.length - PLACES_SHOWN),
    values: [...values.values()],
    unknown,
  };
}

/** The MiB that a page lies in, as `vmlapse diff` calls it. */
function regionOf(page: number): string {
  const base = page - (page % MIB);
  return `${hex(base)}..${hex(base + MIB - 1)}`;
}

/** The number in a variable of 1, 2, 4 or 8 bytes that lies in the page. */
function variable([gpa, size]: SymbolRow, page: number, bytes: Uint8Array): string | undefined {
  const at = gpa - page;
  if (![1, 2, 4, 8].includes(size) || at < 0 || at + size > PAGE_SIZE) return undefined;
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
  return value.toString();
}
