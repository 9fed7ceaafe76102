/** Plain ELF: no boot protocol. ELF64 starts in long mode, ELF32 in protected mode, at e_entry, without arguments. */

import { EM } from '../../src/abi/elf.ts';
import { entryAt, type GuestImage, ignoredNotes, type LoadOptions } from '../image.ts';
import { entryOf, openElf } from './open.ts';

/** Plans a plain ELF executable. `--entry` and `--mode` override the file. Throws LoadError. */
export function loadElf(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const open = openElf(bytes, options);
  const notes = [...open.notes, ...ignoredNotes(options, 'plain ELF')];
  const entry = options.entry ?? entryOf(open, notes);
  const mode = options.mode ?? (open.elf.machine === EM.X86_64 ? 'long' : 'protected');
  return {
    format: 'elf',
    description: open.description,
    segments: open.plan.segments,
    entry: entryAt(mode, entry),
    get symbols() {
      return open.symbols();
    },
    physical: open.physical,
    notes,
  };
}
