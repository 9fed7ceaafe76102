/** The symbols of the image a checkpoint was booted from, as long as the file is still the same. */
import { createHash } from 'node:crypto';
import { type FormatName, type LoadOptions, load } from '../../loaders/index.ts';
import { readImage } from '../../loaders/read.ts';
import { SymbolTable } from '../../loaders/symbols.ts';
import type { GuestOrigin } from '../../snapshot/machine-state.ts';

const NONE = new SymbolTable([]);
/** Loading for symbols needs a memory map only in form. */
const MAP = [{ base: 0, size: 2 ** 40, type: 1 as const }];

/** The symbols of an image. Throws LoadError for what is none. */
export const imageSymbols = (bytes: Uint8Array, options: Omit<LoadOptions, 'memoryMap'>): SymbolTable =>
  new SymbolTable(load(bytes, { ...options, memoryMap: MAP }).symbols);

/** An empty table when the file is gone, has changed, or has no symbols: they are a help, not a need. */
export function loadSymbols(guest: GuestOrigin): SymbolTable {
  try {
    using file = readImage(guest.path, { pipes: false });
    if (createHash('sha256').update(file.bytes).digest('hex') !== guest.sha256) return NONE;
    const place = guest.load === undefined ? {} : { load: guest.load };
    return imageSymbols(file.bytes, { format: guest.format as FormatName, ...place });
  } catch {
    return NONE;
  }
}
