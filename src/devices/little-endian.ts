/** Little-endian numbers of 1, 2 or 4 bytes in a byte array that need not be aligned. */
import type { Width } from './device.ts';

/** Reads `width` bytes at `at`, zero-extended. */
export function load(data: Uint8Array, at: number, width: Width): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + data[at + i]!;
  return value;
}

/** Writes the low `width` bytes of `value` at `at`. */
export function store(data: Uint8Array, at: number, width: Width, value: number): void {
  for (let i = 0; i < width; i++) data[at + i] = value >>> (8 * i);
}
