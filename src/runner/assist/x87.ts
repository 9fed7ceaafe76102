/**
 * x87 arithmetic on 80-bit values (SDM volume 1, sections 4.8 and 8.1; IEEE 754): exact on BigInt, then rounded once, for
 * zeros and normal numbers. Functions return undefined if an operand or the result is a NaN, an infinity, a denormal or an
 * unsupported value, and for a division by zero.
 */

/** ± significand × 2^exponent. */
interface Real {
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
}

/** A value in the format it is kept in, and how it was rounded: whether at all, and whether away from zero. */
export interface Stored {
  readonly bits: bigint;
  readonly inexact: boolean;
  readonly up: boolean;
}

/** A format of operands in memory. Every one of its values is an 80-bit value, too. */
export interface MemoryFormat {
  readonly bytes: number;
  load(bits: bigint): bigint | undefined;
  store(value: bigint, rounding: number): Stored | undefined;
}

type Operation = (a: Real, b: Real, rounding: number) => Real | undefined;

/** The rounding field of the control word. */
export const ROUNDING = { NEAREST: 0, DOWN: 1, UP: 2, ZERO: 3 } as const;

/** The precision field of the control word, as bits of the significand; its second value is reserved. */
export const PRECISIONS: readonly (number | undefined)[] = [24, undefined, 53, 64];

/** Bits of a floating-point format. The fraction of 80-bit values contains the leading one, others leave it out. */
interface Layout {
  readonly precision: number;
  readonly fractionBits: number;
  readonly exponentBits: number;
}

const EXTENDED: Layout = { precision: 64, fractionBits: 64, exponentBits: 15 };

const bitLength = (value: bigint) => (value === 0n ? 0 : value.toString(2).length);

/** The exponent of a significand that stands under exponent field 0. */
const lowestExponent = ({ precision, exponentBits }: Layout) => 2 - 2 ** (exponentBits - 1) - precision;

function decode(bits: bigint, layout: Layout): Real | undefined {
  const { precision, fractionBits, exponentBits } = layout;
  const negative = (bits >> BigInt(fractionBits + exponentBits)) % 2n === 1n;
  const field = Number(BigInt.asUintN(exponentBits, bits >> BigInt(fractionBits)));
  const fraction = BigInt.asUintN(fractionBits, bits);
  if (field === 0 && fraction === 0n) return { negative, significand: 0n, exponent: 0 };
  const significand = fractionBits < precision ? fraction | (1n << BigInt(fractionBits)) : fraction;
  const normal = field > 0 && field < 2 ** exponentBits - 1 && bitLength(significand) === precision;
  return normal ? { negative, significand, exponent: field + lowestExponent(layout) } : undefined;
}

/** The bits of a value that was rounded to the precision of the layout or less. */
function encode({ negative, significand, exponent }: Real, layout: Layout): bigint | undefined {
  const { precision, fractionBits, exponentBits } = layout;
  const sign = BigInt(negative) << BigInt(fractionBits + exponentBits);
  if (significand === 0n) return sign;
  const missing = precision - bitLength(significand);
  const field = exponent - missing - lowestExponent(layout);
  if (field < 1 || field > 2 ** exponentBits - 2) return undefined;
  return sign | (BigInt(field) << BigInt(fractionBits)) | BigInt.asUintN(fractionBits, significand << BigInt(missing));
}

/** Whether rounding goes away from zero, when `rest` are the last `dropped` bits and not all of them are 0. */
function goesUp({ negative, significand }: Real, rest: bigint, dropped: number, rounding: number): boolean {
  if (rounding === ROUNDING.ZERO) return false;
  if (rounding !== ROUNDING.NEAREST) return negative === (rounding === ROUNDING.DOWN);
  const half = 1n << BigInt(dropped - 1);
  const odd = (significand >> BigInt(dropped)) % 2n === 1n;
  return rest > half || (rest === half && odd);
}

/** Rounds away the last `dropped` bits of the significand; below 0, adds as many. */
function round(value: Real, dropped: number, rounding: number) {
  const rest = BigInt.asUintN(Math.max(dropped, 0), value.significand);
  const up = rest !== 0n && goesUp(value, rest, dropped, rounding);
  const significand = (value.significand >> BigInt(dropped)) + BigInt(up);
  return { real: { ...value, significand, exponent: value.exponent + dropped }, inexact: rest !== 0n, up };
}

function roundTo(value: Real, precision: number, layout: Layout, rounding: number): Stored | undefined {
  const { real, ...how } = round(value, bitLength(value.significand) - precision, rounding);
  const bits = encode(real, layout);
  return bits === undefined ? undefined : { bits, ...how };
}

/** A floating-point format in memory that is shorter than 80 bits. */
function floating(bytes: number, precision: number): MemoryFormat {
  const layout = { precision, fractionBits: precision - 1, exponentBits: bytes * 8 - precision };
  return {
    bytes,
    load(bits) {
      const real = decode(bits, layout);
      return real && encode(real, EXTENDED);
    },
    store(value, rounding) {
      const real = decode(value, EXTENDED);
      return real && roundTo(real, precision, layout, rounding);
    },
  };
}

/** Signed integers in memory. */
function integer(bytes: number): MemoryFormat {
  const width = bytes * 8;
  return {
    bytes,
    load(bits) {
      const value = BigInt.asIntN(width, bits);
      const negative = value < 0n;
      return encode({ negative, significand: negative ? -value : value, exponent: 0 }, EXTENDED);
    },
    store(value, rounding) {
      const exact = decode(value, EXTENDED);
      if (!exact || exact.exponent > 0) return undefined;
      const { real, ...how } = round(exact, -exact.exponent, rounding);
      const whole = real.negative ? -real.significand : real.significand;
      return BigInt.asIntN(width, whole) === whole ? { bits: BigInt.asUintN(width, whole), ...how } : undefined;
    },
  };
}

/** The formats of memory operands. Eighty bits are copied unchecked. */
export const FORMATS: Readonly<Record<'m32' | 'm64' | 'm80' | 'i16' | 'i32' | 'i64', MemoryFormat>> = {
  m32: floating(4, 24),
  m64: floating(8, 53),
  m80: { bytes: 10, load: (bits) => bits, store: (bits) => ({ bits, inexact: false, up: false }) },
  i16: integer(2),
  i32: integer(4),
  i64: integer(8),
};

export const ONE = 0x3fff_8000_0000_0000_0000n;
export const SIGN = 1n << 79n;

const add: Operation = (a, b, rounding) => {
  const exponent = Math.min(a.exponent, b.exponent);
  const [left, right] = [a, b].map((real) => {
    const shifted = real.significand << BigInt(real.exponent - exponent);
    return real.negative ? -shifted : shifted;
  }) as [bigint, bigint];
  const sum = left + right;
  if (sum !== 0n) return { negative: sum < 0n, significand: sum < 0n ? -sum : sum, exponent };
  const zeros = a.significand === 0n && a.negative === b.negative;
  return { negative: zeros ? a.negative : rounding === ROUNDING.DOWN, significand: 0n, exponent };
};

const subtract: Operation = (a, b, rounding) => add(a, { ...b, negative: !b.negative }, rounding);

const multiply: Operation = (a, b) => ({
  negative: a.negative !== b.negative,
  significand: a.significand * b.significand,
  exponent: a.exponent + b.exponent,
});

/** Zeros appended to a dividend of 64 bits: the quotient has 66 bits or more, and one more for a remainder. */
const QUOTIENT_BITS = 66;

const divide: Operation = (a, b) => {
  if (b.significand === 0n) return undefined;
  const dividend = a.significand << BigInt(QUOTIENT_BITS);
  const remains = dividend % b.significand !== 0n;
  return {
    negative: a.negative !== b.negative,
    significand: ((dividend / b.significand) << 1n) | BigInt(remains),
    exponent: a.exponent - b.exponent - QUOTIENT_BITS - 1,
  };
};

export const OPERATIONS = { add, subtract, multiply, divide } as const;

/** The result of an operation on two 80-bit values, rounded to a precision. */
export function calculate(
  operation: Operation,
  a: bigint,
  b: bigint,
  precision: number,
  rounding: number,
): Stored | undefined {
  const left = decode(a, EXTENDED);
  const right = decode(b, EXTENDED);
  const exact = left && right && operation(left, right, rounding);
  return exact && roundTo(exact, precision, EXTENDED, rounding);
}
