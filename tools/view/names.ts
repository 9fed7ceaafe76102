/** Names of guest memory for the page: symbols by guest-physical address, and what changed by name. */
import { diffMemory } from '../../snapshot/diff/memory-diff.ts';
import { type PlaceNames, placeNames } from '../../snapshot/diff/places.ts';
import type { SymbolSource } from '../../snapshot/diff/symbols.ts';
import { symbolPages, translationOf } from '../../snapshot/diff/translate.ts';
import type { MachineDescription } from '../../snapshot/machine-description.ts';
import { decodeState } from '../../snapshot/machine-state.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { printable } from './parts/format.ts';
import type { Changes, SymbolRow } from './timeline-types.ts';

/** A guest's symbols, as `vmlapse diff` has them. */
export interface Symbols extends SymbolSource {
  describe(linear: bigint): string | undefined;
}

/** Where symbols of a machine come from; the command decides. */
export type SymbolsOf = (description: MachineDescription) => Symbols;

/** Names through the page tables of one checkpoint, taken for all of its guest. */
export interface GuestNames {
  readonly places: PlaceNames;
  readonly rows: readonly SymbolRow[];
  /** Symbols that are not in `rows`. */
  readonly more: number;
}

/** A page with more names is no longer a small one; Linux has a hundred thousand. */
const MOST_SYMBOLS = 4000;

/** Names for a guest. */
export function namesOf(checkpoint: Checkpoint, source: Symbols): GuestNames {
  if (source.symbols.length === 0) return { places: placeNames(), rows: [], more: 0 };
  const translate = translationOf(checkpoint, decodeState(checkpoint.config));
  const pages = symbolPages(source.symbols, translate);
  const rows: SymbolRow[] = [];
  for (const { name, address, size, section = '' } of source.symbols) {
    if (rows.length >= MOST_SYMBOLS) break;
    const gpa = translate(address);
    if (gpa !== undefined && name !== '') rows.push([gpa, size, printable(name), printable(section)]);
  }
  const more = Math.max(0, source.symbols.length - MOST_SYMBOLS);
  return { places: placeNames(source, pages), rows: rows.sort((a, b) => a[0] - b[0]), more };
}

const PLACES_SHOWN = 12;
const VALUES_SHOWN = 12;
/** Ranges looked at for variables. */
const RANGES = 400;

/** Pieces of a place whose writers are looked for: a table that was filled has one writer mostly. */
const BLAMED_OF_PLACE = 2;

/** A piece of memory that changed, by name. */
export interface NamedRange {
  readonly name: string;
  readonly gpa: number;
  readonly length: number;
}

/** The changes, and the pieces of the places shown whose writers are worth knowing. */
export interface FoundChanges {
  readonly changes: Changes;
  readonly pieces: readonly NamedRange[];
}

/** What differs between a moment and its parent, by name. Reads the pages that may differ. Throws CheckpointError. */
export function changesSince(before: Checkpoint, after: Checkpoint, names: PlaceNames): FoundChanges {
  const memory = diffMemory(before, after, names, { limit: RANGES, keepBytes: 0 });
  const values = new Map<string, readonly [string, string, string]>();
  for (const { symbol, value } of memory.ranges)
    if (symbol && value && values.size < VALUES_SHOWN)
      values.set(symbol.name, [printable(symbol.name), value.before.toString(), value.after.toString()]);
  const shown = new Map(memory.places.slice(0, PLACES_SHOWN).map(({ name }) => [name, [] as NamedRange[]]));
  for (const { gpa, length, symbol } of memory.ranges) {
    const name = symbol?.name ?? names(gpa).region;
    const pieces = shown.get(name);
    if (pieces && pieces.length < BLAMED_OF_PLACE) pieces.push({ name: printable(name), gpa, length });
  }
  const changes = {
    bytes: memory.bytesChanged,
    places: memory.places
      .slice(0, PLACES_SHOWN)
      .map(({ name, section = '', pages, bytes }) => [printable(name), printable(section), pages, bytes] as const),
    more: Math.max(0, memory.places.length - PLACES_SHOWN),
    values: [...values.values()],
  };
  return { changes, pieces: [...shown.values()].flat() };
}
