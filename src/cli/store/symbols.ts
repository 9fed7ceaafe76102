/** Which symbols a comparison uses: those of --symbols FILE, else those of the image the checkpoint was booted from. */
import { createHash } from 'node:crypto';
import { load } from '../../../loaders/index.ts';
import { readImage } from '../../../loaders/read.ts';
import { SymbolTable } from '../../../loaders/symbols.ts';
import type { MachineDescription } from '../../../snapshot/machine-state.ts';
import { UsageError } from '../../errors.ts';
import { loadSymbols } from '../guest-symbols.ts';

/** Loading for symbols needs a memory map only in form. */
const MAP = [{ base: 0, size: 2 ** 40, type: 1 as const }];

/** Reads the symbols of a file that the user names. Throws LoadError, or UsageError when it has none. */
function symbolsOfFile(path: string, { guest }: MachineDescription): SymbolTable {
  using file = readImage(path);
  const sameFile = guest && createHash('sha256').update(file.bytes).digest('hex') === guest.sha256;
  const place = sameFile && guest.load !== undefined ? { load: guest.load } : {};
  const table = new SymbolTable([...load(file.bytes, { memoryMap: MAP, ...place }).symbols]);
  if (table.size === 0) throw new UsageError(`${path} has no symbols: give the image before it was stripped`);
  return table;
}

/** An empty table where there is nothing to name with. */
export function findSymbols(path: string | undefined, description: MachineDescription): SymbolTable {
  if (path !== undefined) return symbolsOfFile(path, description);
  return description.guest ? loadSymbols(description.guest) : new SymbolTable([]);
}
