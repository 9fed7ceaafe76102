/** Which symbols a comparison uses: those of --symbols FILE, else those of the image the checkpoint was booted from. */
import { createHash } from 'node:crypto';
import { detect } from '../../../loaders/index.ts';
import { readImage } from '../../../loaders/read.ts';
import { SymbolTable } from '../../../loaders/symbols.ts';
import type { MachineDescription } from '../../../snapshot/machine-state.ts';
import { UsageError } from '../../../src/errors.ts';
import { imageSymbols, loadSymbols } from '../guest-symbols.ts';
import { named } from '../image-options.ts';

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

/** An empty table where there is nothing to name with. */
export function findSymbols(path: string | undefined, description: MachineDescription): SymbolTable {
  if (path !== undefined) return symbolsOfFile(path, description);
  return description.guest ? loadSymbols(description.guest) : new SymbolTable([]);
}
