/** Finding the bytes that differ between two equally long blocks of memory. */

/** Called with each run of bytes that differ, ascending: offset of the first, and length. */
export type OnRun = (offset: number, length: number) => void;

/**
 * Reports runs of differing bytes. Blocks start on an 8-byte boundary of their buffers and have a multiple of 8 bytes;
 * equal stretches are passed over two 32-bit words at a time, which V8 keeps in registers, as it does not with 64-bit
 * ones.
 */
export function forEachDifference(a: Uint8Array, b: Uint8Array, onRun: OnRun): void {
  const [x, y] = [words(a), words(b)];
  let start = -1;
  for (let i = 0; i < x.length; i += 2) {
    const low = x[i]! ^ y[i]!;
    const high = x[i + 1]! ^ y[i + 1]!;
    if ((low | high) === 0) {
      if (start >= 0) onRun(start, i * 4 - start);
      start = -1;
      continue;
    }
    for (let k = 0; k < 8; k++) {
      const differs = ((k < 4 ? low >>> (8 * k) : high >>> (8 * (k - 4))) & 0xff) !== 0;
      const at = i * 4 + k;
      if (differs && start < 0) start = at;
      if (!differs && start >= 0) {
        onRun(start, at - start);
        start = -1;
      }
    }
  }
  if (start >= 0) onRun(start, a.length - start);
}

const words = ({ buffer, byteOffset, length }: Uint8Array) => new Int32Array(buffer, byteOffset, length / 4);
