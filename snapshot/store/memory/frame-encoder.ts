/** Compresses frames, one at a time, into a buffer that is used again. */

import { FRAME_PAGES, PAGE_SIZE } from '../format/limits.ts';
import { compressBound, zstd } from './codec.ts';

/** Bytes of a full frame. */
export const FRAME_BYTES = FRAME_PAGES * PAGE_SIZE;

const out = new Uint8Array(compressBound(FRAME_BYTES));

/** Compresses up to {@link FRAME_BYTES}; the result is valid until the next call. */
export function compressFrame(pages: Uint8Array, level: number): Uint8Array {
  return out.subarray(0, zstd().compress(out, pages, level));
}
