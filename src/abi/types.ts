/**
 * The element types of structs and of device records: integers, byte runs, arrays. Little-endian, as x86 is. u64 is
 * bigint, everything smaller is number.
 */

/** How one field is read from and written to bytes. `ctype` is its C spelling, for the layout test. */
export interface Type<T> {
  readonly size: number;
  readonly ctype: string;
  /** Reads the value at a byte offset. */
  read(view: DataView, offset: number): T;
  /** Writes the value at a byte offset. */
  write(view: DataView, offset: number, value: T): void;
}

/** An unsigned byte; number. */
export const u8: Type<number> = {
  size: 1,
  ctype: '__u8',
  read: (v, o) => v.getUint8(o),
  write: (v, o, x) => v.setUint8(o, x),
};
/** Unsigned, 2 bytes, little-endian; number. */
export const u16: Type<number> = {
  size: 2,
  ctype: '__u16',
  read: (v, o) => v.getUint16(o, true),
  write: (v, o, x) => v.setUint16(o, x, true),
};
/** Signed, 2 bytes, little-endian; number. */
export const s16: Type<number> = {
  size: 2,
  ctype: '__s16',
  read: (v, o) => v.getInt16(o, true),
  write: (v, o, x) => v.setInt16(o, x, true),
};
/** Unsigned, 4 bytes, little-endian; number. */
export const u32: Type<number> = {
  size: 4,
  ctype: '__u32',
  read: (v, o) => v.getUint32(o, true),
  write: (v, o, x) => v.setUint32(o, x, true),
};
/** Signed, 4 bytes, little-endian; number. */
export const s32: Type<number> = {
  size: 4,
  ctype: '__s32',
  read: (v, o) => v.getInt32(o, true),
  write: (v, o, x) => v.setInt32(o, x, true),
};
/** Unsigned, 8 bytes, little-endian; bigint. */
export const u64: Type<bigint> = {
  size: 8,
  ctype: '__u64',
  read: (v, o) => v.getBigUint64(o, true),
  write: (v, o, x) => v.setBigUint64(o, BigInt.asUintN(64, x), true),
};
/** Signed, 8 bytes, little-endian; bigint. */
export const s64: Type<bigint> = {
  size: 8,
  ctype: '__s64',
  read: (v, o) => v.getBigInt64(o, true),
  write: (v, o, x) => v.setBigInt64(o, x, true),
};

/** A run of raw bytes. Reading gives a live subarray; writing copies and zero-fills the rest. */
export function bytes(length: number): Type<Uint8Array> {
  return {
    size: length,
    ctype: `__u8[${length}]`,
    read: (v, o) => new Uint8Array(v.buffer, v.byteOffset + o, length),
    write: (v, o, x) => {
      const target = new Uint8Array(v.buffer, v.byteOffset + o, length);
      if (x.length > length) throw new RangeError(`${x.length} bytes do not fit a field of ${length}`);
      target.fill(0).set(x);
    },
  };
}

/** A live fixed-length array of elements. `at` reads an element (structs: a live record), `set` writes one. */
export interface LiveArray<T> extends Iterable<T> {
  readonly length: number;
  /** The element at `index`, from 0. */
  at(index: number): T;
  /** Changes the element at `index`. */
  set(index: number, value: T): void;
}

/** The type of an array field. */
export interface ArrayType<T> extends Type<LiveArray<T>> {
  readonly element: Type<T>;
}

/** `length` elements of one type, laid out without gaps. Written whole, it takes exactly as many elements. */
export function array<T>(type: Type<T>, length: number): ArrayType<T> {
  return {
    element: type,
    size: type.size * length,
    ctype: `${type.ctype}[${length}]`,
    read: (v, o) => liveArray(type, v, o, length),
    write: (v, o, x) => {
      if (x.length !== length) throw new RangeError(`${x.length} elements do not fit an array of ${length}`);
      for (let i = 0; i < length; i++) type.write(v, o + i * type.size, x.at(i));
    },
  };
}

function liveArray<T>(type: Type<T>, view: DataView, offset: number, length: number): LiveArray<T> {
  const place = (i: number) => {
    if (!(i >= 0 && i < length)) throw new RangeError(`index ${i} outside an array of ${length}`);
    return offset + i * type.size;
  };
  return {
    length,
    at: (i) => type.read(view, place(i)),
    set: (i, value) => type.write(view, place(i), value),
    *[Symbol.iterator]() {
      for (let i = 0; i < length; i++) yield type.read(view, place(i));
    },
  };
}
