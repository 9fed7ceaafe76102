/** Small pieces of text that descriptions are made of. */

/** Bytes shown of a long run. */
const BYTES_SHOWN = 16;

/** Parts in braces. */
export const list = (parts: readonly string[]): string => `{${parts.join(', ')}}`;

/** Text of at most `limit` characters. */
export const bounded = (text: string, limit: number): string =>
  text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;

/** True for 0, for bytes that are all zero, and for arrays and records of nothing else. */
export function isZero(value: unknown): boolean {
  if (typeof value === 'number' || typeof value === 'bigint') return value === 0 || value === 0n;
  if (value instanceof Uint8Array) return value.every((byte) => byte === 0);
  if (value === null || typeof value !== 'object') return false;
  if (Symbol.iterator in value) return Array.from(value as Iterable<unknown>).every(isZero);
  const fields = Object.keys(Object.getPrototypeOf(value) as object);
  return fields.every((name) => isZero((value as Record<string, unknown>)[name]));
}

/** Short runs in full; of long ones the length, how many bytes are not zero, and the first. */
export function bytesText(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, BYTES_SHOWN), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  if (bytes.length <= BYTES_SHOWN) return `[${shown}]`;
  const set = bytes.reduce((count, byte) => count + (byte === 0 ? 0 : 1), 0);
  return `[${shown} … ${bytes.length} bytes, ${set} not zero]`;
}
