/** Sizes, number texts and views of numbers that every part uses. */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** Bytes of a page: the unit of memory slots, of the dirty log and of checkpoints. */
export const PAGE_SIZE = 4096;

/** A number in hex, "0x1000"; negative ones keep their sign. */
export function hex(value: number | bigint): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/** Reads and writes numbers in `bytes`. */
export const viewOf = ({ buffer, byteOffset, length }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, length);
