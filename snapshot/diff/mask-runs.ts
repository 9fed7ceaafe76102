/** Finding the runs of non-zero bytes in a mask. */

/** Called with each run, ascending: offset of the first byte, and length. */
export type OnRun = (offset: number, length: number) => void;

/**
 * Reports runs of non-zero bytes. The mask starts on a 4-byte boundary of its buffer and has a multiple of 8 bytes;
 * zeros are passed over 8 bytes at a time, as two 32-bit words, which V8 keeps in registers as it does not a bigint.
 */
export function forEachRun(mask: Uint8Array, onRun: OnRun): void {
  const words = new Int32Array(mask.buffer, mask.byteOffset, mask.length / 4);
  let start = -1;
  for (let i = 0; i < words.length; i += 2) {
    if ((words[i]! | words[i + 1]!) === 0) {
      if (start >= 0) onRun(start, i * 4 - start);
      start = -1;
      continue;
    }
    for (let at = i * 4; at < i * 4 + 8; at++) {
      if (mask[at] !== 0 && start < 0) start = at;
      if (mask[at] === 0 && start >= 0) {
        onRun(start, at - start);
        start = -1;
      }
    }
  }
  if (start >= 0) onRun(start, mask.length - start);
}
