/** Whether a changed page is better kept as what changed in it. */
import { compressBound, zstd } from './codec.ts';
import { PAGE_SIZE } from './limits.ts';

/** Changed 32-bit words up to which a delta is taken without a trial, and from which none is tried. */
const FEW = 32;
const MANY = 768;
/** A page among others compresses better than alone; a delta must beat it alone by this much. */
const ADVANTAGE = 0.75;

const trial = new Uint8Array(compressBound(PAGE_SIZE));

/** True where the XOR `mask` is likely to take less room than the page itself. */
export function deltaPays(mask: Uint8Array, page: Uint8Array, level: number): boolean {
  const words = new Uint32Array(mask.buffer, mask.byteOffset, PAGE_SIZE / 4);
  let changed = 0;
  for (const word of words) if (word !== 0) changed++;
  if (changed <= FEW) return true;
  if (changed >= MANY) return false;
  return zstd().compress(trial, mask, level) < zstd().compress(trial, page, level) * ADVANTAGE;
}
