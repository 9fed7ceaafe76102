/** Little-endian bytes, as ACPI's tables and its byte code have them. */

/** The bytes of what goes into a table. */
export type Bytes = readonly number[];

/** An unsigned integer of `width` bytes. */
export const uint = (value: number, width: number): Bytes =>
  Array.from({ length: width }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);

/** Text in Latin-1, padded with blanks, or cut, to `width` bytes. */
export const ascii = (text: string, width: number): Bytes => [
  ...Buffer.from(text.padEnd(width).slice(0, width), 'latin1'),
];

/** All bytes with the one at `at` replaced so that they add up to 0 modulo 256. */
export function withChecksum(bytes: Bytes, at: number): number[] {
  const sum = bytes.reduce((total, byte) => total + byte, 0) - bytes[at]!;
  return [...bytes].with(at, -sum & 0xff);
}
