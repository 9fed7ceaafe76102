/** A nanosecond, for times in milliseconds: less than any clock here can tell. */
const DECIMALS = 6;

/**
 * JSON as the commands print it: bigints as hex strings, bytes as base64, fractions without the digits that only the
 * binary form has, no other surprises. `indent`: 0 for one line.
 */
export function toJson(value: unknown, indent = 2): string {
  return JSON.stringify(
    value,
    (_key, v: unknown) => {
      if (typeof v === 'bigint') return `0x${v.toString(16)}`;
      if (v instanceof Uint8Array) return Buffer.from(v).toString('base64');
      if (typeof v === 'number' && !Number.isInteger(v)) return Number(v.toFixed(DECIMALS));
      return v;
    },
    indent,
  );
}
