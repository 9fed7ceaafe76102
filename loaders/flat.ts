/** Flat binaries: bytes without structure. The user gives address, entry and mode. */

import { BOOT_SECTOR } from '../src/bios/layout.ts';
import { withBios } from './bios.ts';
import { hex, MAX_PHYSICAL, MIB, size as sizeText } from './bytes.ts';
import { entryAt, type GuestImage, ignoredNotes, type LoadOptions } from './image.ts';
import { refusal } from './refuse.ts';

/** Plans a flat binary: any address, any mode. Throws LoadError FLAT or OPTION. */
export function loadFlat(bytes: Uint8Array, options: LoadOptions): GuestImage {
  const mode = options.mode ?? 'real';
  const gpa = options.load ?? (mode === 'real' ? BOOT_SECTOR : MIB);
  if (gpa + bytes.length > MAX_PHYSICAL)
    throw refusal('OPTION', {
      field: 'load address',
      found: gpa,
      expected: 'an image that ends below 2^52',
      cure: 'choose another --load',
    });
  const entry = options.entry ?? gpa;
  const segment = { gpa, bytes, memSize: bytes.length, name: 'flat binary' };
  return {
    format: 'flat',
    description: `flat binary, ${sizeText(bytes.length)} at ${hex(gpa)}, ${mode} mode`,
    segments: mode === 'real' ? withBios([segment], []) : [segment],
    entry: entryAt(mode, entry),
    symbols: [],
    notes: ignoredNotes(options, 'a flat binary'),
  };
}
