import { describe, expect, it } from 'vitest';
import { bytesOf, plain, struct } from '../../src/abi/struct.ts';
import { array, bytes, s16, s32, s64, u8, u16, u32, u64 } from '../../src/abi/types.ts';

const Point = struct('point', 8, { x: [0, u32], y: [4, s32] });
const Everything = struct('everything', 64, {
  a: [0, u8],
  b: [2, u16],
  c: [4, s16],
  d: [8, u64],
  e: [16, s64],
  point: [24, Point],
  words: [32, array(u16, 3)],
  points: [40, array(Point, 2)],
  raw: [56, bytes(4)],
});

describe('a struct over bytes', () => {
  it('reads little-endian at its offsets', () => {
    const memory = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
    const it = Everything.over(memory);
    expect(it.a).toBe(1);
    expect(it.b).toBe(0x0403);
    expect(it.d).toBe(0x100f0e0d0c0b0a09n);
    expect(it.point.x).toBe(0x1c1b1a19);
    expect(it.words.at(2)).toBe(0x2625);
    expect(it.points.at(1).y).toBe(0x38373635);
    expect([...it.raw]).toEqual([57, 58, 59, 60]);
  });

  it('writes the bytes that it lies on, and nothing else', () => {
    const memory = new Uint8Array(64).fill(0xee);
    Everything.over(memory).b = 0x1234;
    expect([...memory.subarray(0, 6)]).toEqual([0xee, 0xee, 0x34, 0x12, 0xee, 0xee]);
  });

  it('is live: two records over the same bytes see each other', () => {
    const memory = new Uint8Array(64);
    const one = Everything.over(memory);
    const other = Everything.over(memory);
    one.point.x = 7;
    one.points.at(1).x = 9;
    expect(other.point.x).toBe(7);
    expect(other.points.at(1).x).toBe(9);
  });

  it('lies at an offset, also within a view that is itself inside a buffer', () => {
    const buffer = new Uint8Array(100);
    const view = buffer.subarray(20);
    Point.over(view, 12).x = 0xabcd;
    expect(buffer[32]).toBe(0xcd);
    expect(bytesOf(Point.over(view, 12))[0]).toBe(0xcd);
  });

  it('refuses bytes that are too few, and offsets outside them', () => {
    expect(() => Point.over(new Uint8Array(7))).toThrow(RangeError);
    expect(() => Point.over(new Uint8Array(16), 9)).toThrow('point needs 8 bytes at 9, got 16');
    expect(() => Point.over(new Uint8Array(32).subarray(16), -8)).toThrow(RangeError);
    expect(() => Point.over(new Uint8Array(16), Number.NaN)).toThrow(RangeError);
  });
});

describe('integers', () => {
  it('keeps 64 bits exactly, and reads a negative u64 as its two’s complement', () => {
    const it = Everything.alloc();
    it.d = 0xffff_ffff_8100_103cn;
    expect(it.d).toBe(0xffff_ffff_8100_103cn);
    it.d = -1n;
    expect(it.d).toBe(0xffff_ffff_ffff_ffffn);
    it.e = -5n;
    expect(it.e).toBe(-5n);
  });

  it('has signs where the type has one', () => {
    const it = Everything.alloc();
    it.c = -2;
    it.point.y = -3;
    it.point.x = 0xffff_ffff;
    expect([it.c, it.point.y, it.point.x]).toEqual([-2, -3, 0xffff_ffff]);
  });
});

describe('arrays', () => {
  it('refuse an index outside', () => {
    const { words } = Everything.alloc();
    expect(() => words.at(3)).toThrow(RangeError);
    expect(() => words.at(-1)).toThrow(RangeError);
    expect(() => words.set(3, 1)).toThrow(RangeError);
  });

  it('are iterable, and are written whole with exactly their length', () => {
    const one = Everything.alloc();
    const other = Everything.alloc();
    one.words.set(0, 5);
    one.words.set(2, 7);
    other.words = one.words;
    expect([...other.words]).toEqual([5, 0, 7]);
    expect(() => {
      other.words = Object.assign([1, 2], { set() {} }) as never;
    }).toThrow('2 elements do not fit an array of 3');
  });
});

describe('raw bytes', () => {
  it('are a live window', () => {
    const memory = new Uint8Array(64);
    Everything.over(memory).raw[1] = 0x55;
    expect(memory[57]).toBe(0x55);
  });

  it('fill up with zeros when written short, and refuse too much', () => {
    const it = Everything.alloc();
    it.raw = Uint8Array.of(1, 2, 3, 4);
    it.raw = Uint8Array.of(9);
    expect([...it.raw]).toEqual([9, 0, 0, 0]);
    expect(() => {
      it.raw = new Uint8Array(5);
    }).toThrow(RangeError);
  });
});

describe('nesting and allocation', () => {
  it('copies a struct into a field', () => {
    const point = Point.alloc();
    point.x = 3;
    point.y = 4;
    const it = Everything.alloc();
    it.point = point;
    it.points.set(1, point);
    point.x = 99;
    expect([it.point.x, it.point.y, it.points.at(1).x]).toEqual([3, 4, 3]);
  });

  it('gives the record its extra bytes for a flexible array', () => {
    const header = Point.alloc(16);
    expect(bytesOf(header).length).toBe(24);
    Point.over(bytesOf(header), 16).x = 1;
    expect(bytesOf(header)[16]).toBe(1);
  });

  it('turns plain, nested and in arrays', () => {
    const it = Everything.alloc();
    it.d = 5n;
    it.points.at(0).x = 1;
    expect(plain(it)).toEqual({
      a: 0,
      b: 0,
      c: 0,
      d: 5n,
      e: 0n,
      point: { x: 0, y: 0 },
      words: [0, 0, 0],
      points: [
        { x: 1, y: 0 },
        { x: 0, y: 0 },
      ],
      raw: new Uint8Array(4),
    });
  });

  it('refuses a field that ends past the struct', () => {
    expect(() => struct('short', 6, { x: [4, u32] })).toThrow('short.x ends past the struct');
  });
});
