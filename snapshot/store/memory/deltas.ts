/** Whether a changed page is better kept as what changed in it. */
import { PAGE_SIZE } from '../format/limits.ts';

/**
 * Changed 32-bit words up to which a delta is taken. A page that changes a little at every checkpoint drifts past it in
 * the end and is stored whole: that costs once, and the deltas after it are small again.
 */
const FEW = 96;

/** True where the XOR `mask` is likely to take much less room than the page: few words, and few of those in use. */
export function deltaPays(mask: Uint8Array, page: Uint8Array): boolean {
  const changed = wordsSet(mask, FEW + 1);
  return changed <= FEW && changed * 2 <= wordsSet(page, FEW * 2);
}

/** Number of words that are not zero, counted up to `limit`. */
function wordsSet(page: Uint8Array, limit: number): number {
  if (page.byteOffset % 4 !== 0) return wordsSet(page.slice(), limit);
  const words = new Uint32Array(page.buffer, page.byteOffset, PAGE_SIZE / 4);
  let set = 0;
  for (let i = 0; i < words.length && set < limit; i++) if (words[i] !== 0) set++;
  return set;
}
