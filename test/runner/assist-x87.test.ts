import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calculate, FORMATS, ONE, OPERATIONS, ROUNDING, SIGN, type Stored } from '../../src/runner/assist/x87.ts';

type Name = keyof typeof OPERATIONS;
const NAMES = Object.keys(OPERATIONS) as Name[];
const RUNS = { seed: 80_387, numRuns: 1000 };

const view = new DataView(new ArrayBuffer(8));
function doubleOf(bits: bigint): number {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}
function bitsOf(value: number, format: 'm32' | 'm64'): bigint {
  if (format === 'm64') view.setFloat64(0, value);
  else view.setFloat32(0, value);
  return format === 'm64' ? view.getBigUint64(0) : BigInt(view.getUint32(0));
}

/** Significands with long runs of equal bits among them: they make ties, carries and exact results. */
const significand = (bits: number) =>
  fc
    .tuple(fc.bigInt(0n, (1n << BigInt(bits)) - 1n), fc.nat(bits), fc.constantFrom('any', 'zeros', 'ones', 'tie'))
    .map(([value, low, kind]) => {
      const mask = (1n << BigInt(low)) - 1n;
      const cut = value & ~mask;
      const tail = { any: value & mask, zeros: 0n, ones: mask, tie: (mask + 1n) >> 1n }[kind];
      return (cut | tail | (1n << BigInt(bits - 1))) & ((1n << BigInt(bits)) - 1n);
    });

/** Normal 80-bit values around 1. */
const extended = (range: number, bits = 64) =>
  fc
    .tuple(fc.boolean(), fc.integer({ min: 16_383 - range, max: 16_383 + range }), significand(bits))
    .map(([negative, field, top]) => (negative ? SIGN : 0n) | (BigInt(field) << 64n) | (top << BigInt(64 - bits)));

const NATIVE: Readonly<Record<Name, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
};

/** A fraction with a positive denominator. */
type Fraction = readonly [bigint, bigint];
const EXACT: Readonly<Record<Name, (a: Fraction, b: Fraction) => Fraction>> = {
  add: ([a, b], [c, d]) => [a * d + c * b, b * d],
  subtract: ([a, b], [c, d]) => [a * d - c * b, b * d],
  multiply: ([a, b], [c, d]) => [a * c, b * d],
  divide: ([a, b], [c, d]) => (c < 0n ? [-a * d, -b * c] : [a * d, b * c]),
};
const compare = ([a, b]: Fraction, [c, d]: Fraction) => Number(a * d > c * b) - Number(a * d < c * b);
const size = ([a, b]: Fraction): Fraction => [a < 0n ? -a : a, b];
const distance = (a: Fraction, b: Fraction) => size(EXACT.subtract(a, b));

const field = (value: bigint) => (value >> 64n) & 0x7fffn;
const top = (value: bigint) => BigInt.asUintN(64, value);
function fraction(value: bigint): Fraction {
  const exponent = field(value) - 16_383n - 63n;
  const signed = value & SIGN ? -top(value) : top(value);
  return exponent < 0n ? [signed, 1n << -exponent] : [signed << exponent, 1n];
}

/** The next values of a precision, nearer to zero and farther from it. */
function neighbours(value: bigint, precision: number): readonly bigint[] {
  const step = 1n << BigInt(64 - precision);
  const [sign, exponent] = [value & SIGN, field(value)];
  const make = (e: bigint, m: bigint) => sign | (e << 64n) | m;
  const least = 1n << 63n;
  return [
    top(value) === least ? make(exponent - 1n, (1n << 64n) - step) : make(exponent, top(value) - step),
    top(value) + step === 1n << 64n ? make(exponent + 1n, least) : make(exponent, top(value) + step),
  ];
}

/** What the manual asks of a rounded value: that no neighbour fits better, and that the flags tell what was done. */
function expectRounded(value: bigint, { inexact, up }: Stored, exact: Fraction, precision: number, mode: number): void {
  const got = fraction(value);
  expect(inexact).toBe(compare(got, exact) !== 0);
  expect(up).toBe(compare(size(got), size(exact)) > 0);
  if (!inexact) return;
  const side = compare(got, exact);
  const positive = compare(exact, [0n, 1n]) > 0;
  if (mode === ROUNDING.DOWN) expect(side).toBe(-1);
  if (mode === ROUNDING.UP) expect(side).toBe(1);
  if (mode === ROUNDING.ZERO) expect(side).toBe(positive ? -1 : 1);
  for (const neighbour of neighbours(value, precision)) {
    const other = fraction(neighbour);
    if (mode !== ROUNDING.NEAREST) {
      // The one on the other side of the exact value is beyond it: nothing lies between.
      const beyond = compare(other, exact) !== side || compare(distance(other, exact), distance(got, exact)) > 0;
      expect(beyond).toBe(true);
      continue;
    }
    const farther = compare(distance(other, exact), distance(got, exact));
    const even = (top(value) >> BigInt(64 - precision)) % 2n === 0n;
    expect(farther > 0 || (farther === 0 && even)).toBe(true);
  }
}

const operation = fc.constantFrom(...NAMES);
const mode = fc.constantFrom(...Object.values(ROUNDING));

describe('x87 arithmetic', () => {
  it.each([
    { format: 'm64', precision: 53, range: 400, native: (value: number) => value },
    { format: 'm32', precision: 24, range: 30, native: Math.fround },
  ] as const)('of $precision bits gives what JavaScript gives', ({ format, precision, range, native }) => {
    const value = extended(range, precision);
    fc.assert(
      fc.property(operation, value, value, fc.boolean(), (name, a, other, same) => {
        const b = same ? a : other;
        const [left, right] = [a, b].map((x) => doubleOf(FORMATS.m64.store(x, 0)!.bits)) as [number, number];
        const result = calculate(OPERATIONS[name], a, b, precision, ROUNDING.NEAREST)!;
        const stored = FORMATS[format].store(result.bits, ROUNDING.NEAREST)!;
        expect(stored).toEqual({
          bits: bitsOf(native(NATIVE[name](left, right)), format),
          inexact: false,
          up: false,
        });
      }),
      RUNS,
    );
  });

  it('gives the right neighbour of the exact result, in every precision and rounding', () => {
    fc.assert(
      fc.property(
        operation,
        extended(70),
        extended(70),
        fc.constantFrom(24, 53, 64),
        mode,
        (name, a, b, precision, rounding) => {
          const exact = EXACT[name](fraction(a), fraction(b));
          const result = calculate(OPERATIONS[name], a, b, precision, rounding)!;
          if (exact[0] === 0n) expect(result.bits & ~SIGN).toBe(0n);
          else expectRounded(result.bits, result, exact, precision, rounding);
        },
      ),
      RUNS,
    );
  });

  it.each([
    { a: 0n, b: 0n, sums: [0n, 0n, 0n, 0n] },
    { a: SIGN, b: SIGN, sums: [SIGN, SIGN, SIGN, SIGN] },
    { a: 0n, b: SIGN, sums: [0n, SIGN, 0n, 0n] },
    { a: SIGN | ONE, b: ONE, sums: [0n, SIGN, 0n, 0n] },
  ])('$a + $b has the sign that the rounding asks for', ({ a, b, sums }) => {
    for (const [rounding, bits] of sums.entries()) {
      for (const [x, y] of [
        [a, b],
        [b, a],
      ] as const)
        expect(calculate(OPERATIONS.add, x, y, 64, rounding)).toEqual({ bits, inexact: false, up: false });
    }
  });

  const INFINITE = 0x7fff_8000_0000_0000_0000n;
  const LARGEST = 0x7ffe_ffff_ffff_ffff_ffffn;
  const SMALLEST = 0x0001_8000_0000_0000_0000n;
  it('refuses what is no zero or normal number, and what would give none', () => {
    const strange = {
      infinity: INFINITE,
      'quiet NaN': INFINITE | (3n << 62n),
      'signalling NaN': INFINITE | 1n,
      denormal: 1n,
      'pseudo-denormal': 1n << 63n,
      unnormal: ONE - (1n << 63n) + 1n,
    };
    for (const [what, value] of Object.entries(strange)) {
      for (const name of NAMES) {
        expect(calculate(OPERATIONS[name], value, ONE, 64, 0), `${name} ${what}`).toBeUndefined();
        expect(calculate(OPERATIONS[name], ONE, value, 64, 0), `${name} ${what}`).toBeUndefined();
      }
      for (const format of ['m32', 'm64', 'i16', 'i32', 'i64'] as const)
        expect(FORMATS[format].store(value, 0), `${format} ${what}`).toBeUndefined();
      expect(FORMATS.m80.load(value), what).toBe(value);
      expect(FORMATS.m80.store(value, 0)).toEqual({ bits: value, inexact: false, up: false });
    }
    expect(calculate(OPERATIONS.divide, ONE, 0n, 64, 0)).toBeUndefined();
    expect(calculate(OPERATIONS.add, LARGEST, LARGEST, 64, 0)).toBeUndefined();
    expect(calculate(OPERATIONS.multiply, SMALLEST, ONE - (1n << 64n), 64, 0)).toBeUndefined();
    expect(calculate(OPERATIONS.multiply, LARGEST, ONE, 64, 0)?.bits).toBe(LARGEST);
    expect(calculate(OPERATIONS.multiply, SMALLEST, ONE, 64, 0)?.bits).toBe(SMALLEST);
    for (const special of [Number.POSITIVE_INFINITY, Number.NaN, Number.MIN_VALUE])
      expect(FORMATS.m64.load(bitsOf(special, 'm64'))).toBeUndefined();
  });
});

describe('x87 operands in memory', () => {
  it.each([
    { format: 'm32', precision: 24, range: 120 },
    { format: 'm64', precision: 53, range: 1000 },
  ] as const)('$format: a store rounds, a load does not', ({ format, precision, range }) => {
    fc.assert(
      fc.property(extended(range), mode, (value, rounding) => {
        const stored = FORMATS[format].store(value, rounding)!;
        expectRounded(FORMATS[format].load(stored.bits)!, stored, fraction(value), precision, rounding);
      }),
      RUNS,
    );
  });

  it.each([
    { format: 'i16', width: 16 },
    { format: 'i32', width: 32 },
    { format: 'i64', width: 64 },
  ] as const)('$format: a store rounds to a whole number that has room, a load takes any', ({ format, width }) => {
    const { load, store } = FORMATS[format];
    fc.assert(
      fc.property(extended(width + 2), mode, (value, rounding) => {
        const [n, d] = fraction(value);
        const floor = n / d - (n % d < 0n ? 1n : 0n);
        const twice = 2n * (n - floor * d);
        const nearest = twice > d || (twice === d && floor % 2n !== 0n) ? floor + 1n : floor;
        const up = twice === 0n ? floor : floor + 1n;
        const wanted = [nearest, floor, up, n < 0n ? up : floor][rounding]!;
        const stored = store(value, rounding);
        const fits = BigInt.asIntN(width, wanted) === wanted;
        expect(stored !== undefined).toBe(fits);
        if (!fits) return;
        expect(stored?.bits).toBe(BigInt.asUintN(width, wanted));
        expect(stored?.inexact).toBe(twice !== 0n);
        expect(stored?.up).toBe(compare(size([wanted, 1n]), size([n, d])) > 0);
      }),
      RUNS,
    );
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << BigInt(width)) - 1n), (bits) => {
        const value = load(bits)!;
        if (bits !== 0n) expect(compare(fraction(value), [BigInt.asIntN(width, bits), 1n])).toBe(0);
        expect(store(value, ROUNDING.ZERO)?.bits).toBe(bits);
      }),
      RUNS,
    );
  });

  it('zeros keep their signs', () => {
    expect(FORMATS.m32.load(0x8000_0000n)).toBe(SIGN);
    expect(FORMATS.m64.store(SIGN, 0)?.bits).toBe(1n << 63n);
    expect(FORMATS.i16.store(SIGN, 0)?.bits).toBe(0n);
    expect(FORMATS.i64.load(0n)).toBe(0n);
  });
});
