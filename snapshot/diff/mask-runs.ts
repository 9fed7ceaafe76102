/** Finding the runs of non-zero bytes in a mask. */

/**
 * Runs of non-zero bytes, ascending, as pairs of offset and length: [3, 1, 8, 16] for one byte at 3 and 16 from 8 on.
 * The mask starts on a 4-byte boundary of its buffer and has a multiple of 8 bytes; zeros are passed over 8 bytes at a
 * time, as two 32-bit words, which V8 keeps in registers as it does not a bigint.
 */
export function runsOf(mask: Uint8Array): number[] {
  const words = new Int32Array(mask.buffer, mask.byteOffset, mask.length / 4);
  const runs: number[] = [];
  let start = -1;
  for (let i = 0; i < words.length; i += 2) {
    if (start < 0 && (words[i]! | words[i + 1]!) === 0) continue;
    for (let at = i * 4; at < i * 4 + 8; at++) {
      if (mask[at] !== 0 && start < 0) start = at;
      if (mask[at] === 0 && start >= 0) {
        runs.push(start, at - start);
        start = -1;
      }
    }
  }
  if (start >= 0) runs.push(start, mask.length - start);
  return runs;
}
