/** Small helpers for bytes, used by all loaders. x86 is little-endian. */
import { GIB, KIB, MIB } from '../src/abi/numbers.ts';

export { GIB, hex, KIB, MIB, PAGE_SIZE } from '../src/abi/numbers.ts';

/** First guest-physical address that 32-bit boot protocols cannot name. */
export const FOUR_GIB = 4 * GIB;
/** x86 has at most 52 physical address bits (SDM volume 3, section 4.1.4). */
export const MAX_PHYSICAL = 2 ** 52;

/** A view of the same bytes for multi-byte access. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Rounds up to a multiple of `unit`, which need not be a power of two. */
export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Sizes for people: "96 KiB", "1.5 MiB", "12 bytes". */
export function size(bytes: number): string {
  for (const [unit, name] of [
    [GIB, 'GiB'],
    [MIB, 'MiB'],
    [KIB, 'KiB'],
  ] as const) {
    if (bytes >= unit) return `${Number((bytes / unit).toFixed(2))} ${name}`;
  }
  return `${bytes} bytes`;
}

/** Text from a guest image; replaces characters that control a terminal. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}

/** The NUL-terminated string at `offset`, at most `max` bytes of it; empty when the offset lies outside. */
export function stringAt(bytes: Uint8Array, offset: number, max = 1024): string {
  if (offset >= bytes.length) return '';
  const window = Buffer.from(bytes.buffer, bytes.byteOffset + offset, Math.min(max, bytes.length - offset));
  const end = window.indexOf(0);
  return printable(window.toString('utf8', 0, end < 0 ? window.length : end));
}

/** UTF-8 bytes with a terminating NUL. */
export function cstring(text: string): Uint8Array {
  return Buffer.from(`${text}\0`, 'utf8');
}

/** A copy of a range. (`slice` of a Buffer is no copy, and a mapped file must not be written to.) */
export function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.subarray(from, to));
}

/** Bytes laid one after another in a fresh buffer. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}
