/** Entry points by linear address, for images whose start the user chooses. */
import { FOUR_GIB, MAX_PHYSICAL, MIB } from './bytes.ts';
import type { CpuMode, EntryState } from './image.ts';
import { refusal } from './refuse.ts';

/**
 * The entry state for starting at a linear address. Real mode uses segment 0 below 64 KiB, as boot sectors expect, and
 * above that the segment that starts the address's 64 KiB. Throws LoadError OPTION when the mode cannot reach it.
 */
export function entryAt(mode: CpuMode, entry: number): EntryState {
  const limit = { real: MIB, protected: FOUR_GIB, long: MAX_PHYSICAL }[mode];
  if (entry >= limit)
    throw refusal('OPTION', {
      field: `entry address in ${mode} mode`,
      found: entry,
      expected: `an address below ${{ real: '1 MiB', protected: '4 GiB', long: '2^52' }[mode]}`,
      cure: 'choose another --entry, or another --mode',
    });
  if (mode !== 'real') return { mode, rip: BigInt(entry) };
  const base = entry & 0xf_0000;
  return { mode, rip: BigInt(entry - base), cs: { selector: base >>> 4, base } };
}
