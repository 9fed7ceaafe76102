/** Time registers of the MC146818 (Motorola data sheet): encoding a time, and decoding it. */

/** Status B: time is binary instead of BCD, and hours run to 23 instead of 12 with a PM bit. */
export const STATUS_B = { SET: 0x80, BINARY: 0x04, HOURS_24: 0x02 } as const;

/** Time registers by CMOS index. The century is where IBM put it. */
export const TIME = { SECONDS: 0, MINUTES: 2, HOURS: 4, WEEKDAY: 6, DAY: 7, MONTH: 8, YEAR: 9, CENTURY: 0x32 } as const;

const PM = 0x80;

const toBcd = (n: number) => Math.trunc(n / 10) * 16 + (n % 10);
const fromBcd = (n: number) => (n >> 4) * 10 + (n & 15);

/** What each register holds at a UTC moment (milliseconds since the epoch), before it is encoded. Sunday is 1. */
const PARTS: Record<number, (date: Date) => number> = {
  [TIME.SECONDS]: (d) => d.getUTCSeconds(),
  [TIME.MINUTES]: (d) => d.getUTCMinutes(),
  [TIME.HOURS]: (d) => d.getUTCHours(),
  [TIME.WEEKDAY]: (d) => d.getUTCDay() + 1,
  [TIME.DAY]: (d) => d.getUTCDate(),
  [TIME.MONTH]: (d) => d.getUTCMonth() + 1,
  [TIME.YEAR]: (d) => d.getUTCFullYear() % 100,
  [TIME.CENTURY]: (d) => Math.trunc(d.getUTCFullYear() / 100),
};

/** Indices of the time registers. */
export const TIME_REGISTERS: readonly number[] = Object.values(TIME);

/** Whether an index is a time register. */
export const isTimeRegister = (index: number): boolean => index in PARTS;

/** The content of one time register at `ms`, in the format that status B asks for. */
export function encodeTime(index: number, ms: number, statusB: number): number {
  const value = PARTS[index]!(new Date(ms));
  const encode = statusB & STATUS_B.BINARY ? (n: number) => n & 0xff : (n: number) => toBcd(n) & 0xff;
  if (index !== TIME.HOURS || statusB & STATUS_B.HOURS_24) return encode(value);
  return encode(value % 12 || 12) | (value >= 12 ? PM : 0);
}

/** The moment (milliseconds since the epoch, UTC) that a set of time registers shows. Fields out of range carry over. */
export function decodeTime(registers: Uint8Array, statusB: number): number {
  const decode = statusB & STATUS_B.BINARY ? (n: number) => n : fromBcd;
  const at = (index: number) => decode(registers[index]!);
  const rawHours = registers[TIME.HOURS]!;
  const hours =
    statusB & STATUS_B.HOURS_24 ? decode(rawHours) : (decode(rawHours & ~PM) % 12) + (rawHours & PM ? 12 : 0);
  const year = at(TIME.CENTURY) * 100 + at(TIME.YEAR);
  const date = new Date(0);
  date.setUTCFullYear(year, at(TIME.MONTH) - 1, at(TIME.DAY));
  date.setUTCHours(hours, at(TIME.MINUTES), at(TIME.SECONDS), 0);
  return date.getTime();
}
