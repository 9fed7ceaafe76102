/** Symbols for a checkpoint: of a file that the user names, or of the image that was booted, if it has not changed. */
import { createHash } from 'node:crypto';
import { detect, type FormatName, type LoadOptions, load } from '../../loaders/index.ts';
import { readImage } from '../../loaders/read.ts';
import { SymbolTable } from '../../loaders/symbols.ts';
import type { GuestOrigin, MachineDescription } from '../../snapshot/machine-description.ts';
import { UsageError } from '../../src/errors.ts';
import { named } from './named.ts';

/** Symbols of a guest, which are read when they are asked for. */
export type SymbolsOf = () => SymbolTable | Promise<SymbolTable>;

const NONE = new SymbolTable([]);
/** The loader needs a memory map, though nothing is placed. */
const MAP = [{ base: 0, size: 2 ** 40, type: 1 as const }];

/** The symbols of an image. Throws LoadError for what is none. */
const imageSymbols = (bytes: Uint8Array, options: Omit<LoadOptions, 'memoryMap'>): SymbolTable =>
  new SymbolTable(load(bytes, { ...options, memoryMap: MAP }).symbols);

/** Reads the symbols of the booted image. An empty table if the file is gone, has changed, or has no symbols. */
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

/** Reads the symbols of a file that the user names. Throws LoadError, or UsageError when it has none. */
function symbolsOfFile(path: string, { guest }: MachineDescription): SymbolTable {
  using file = readImage(path, { pipes: false });
  const sameFile = guest && createHash('sha256').update(file.bytes).digest('hex') === guest.sha256;
  const place = sameFile && guest.load !== undefined ? { load: guest.load } : {};
  if (detect(file.bytes).kind === 'unknown')
    throw new UsageError(`${path} is of no format that has symbols: give the ELF file that it was made from`);
  const table = named(path, () => imageSymbols(file.bytes, place));
  if (table.size === 0) throw new UsageError(`${path} has no symbols: give the image before it was stripped`);
  return table;
}

/** The symbols of `path`, by default of the booted image. Throws LoadError or UsageError for a bad `path`. */
export function findSymbols(path: string | undefined, description: MachineDescription): SymbolTable {
  if (path !== undefined) return symbolsOfFile(path, description);
  return description.guest ? loadSymbols(description.guest) : NONE;
}
