/**
 * Struct layouts as data: `struct('kvm_regs', 144, { rax: [0, u64], … })` yields typed accessors over a live buffer.
 *
 * A struct is never copied into an object: reading a field reads the bytes the kernel wrote, writing a field writes
 * the bytes the kernel will read. Little-endian, as x86 is. u64 is bigint, everything smaller is number.
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

export const u8: Type<number> = {
  size: 1,
  ctype: '__u8',
  read: (v, o) => v.getUint8(o),
  write: (v, o, x) => v.setUint8(o, x),
};
export const u16: Type<number> = {
  size: 2,
  ctype: '__u16',
  read: (v, o) => v.getUint16(o, true),
  write: (v, o, x) => v.setUint16(o, x, true),
};
export const s16: Type<number> = {
  size: 2,
  ctype: '__s16',
  read: (v, o) => v.getInt16(o, true),
  write: (v, o, x) => v.setInt16(o, x, true),
};
export const u32: Type<number> = {
  size: 4,
  ctype: '__u32',
  read: (v, o) => v.getUint32(o, true),
  write: (v, o, x) => v.setUint32(o, x, true),
};
export const s32: Type<number> = {
  size: 4,
  ctype: '__s32',
  read: (v, o) => v.getInt32(o, true),
  write: (v, o, x) => v.setInt32(o, x, true),
};
export const u64: Type<bigint> = {
  size: 8,
  ctype: '__u64',
  read: (v, o) => v.getBigUint64(o, true),
  write: (v, o, x) => v.setBigUint64(o, BigInt.asUintN(64, x), true),
};
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
  at(index: number): T;
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

/** Field table of a struct: name -> [byte offset, type]. */
export type Fields = Record<string, readonly [offset: number, type: Type<never>]>;

const VIEW = Symbol('view');

/** A record laid over bytes: every field of `F`, live. */
export type Live<F> = { -readonly [K in keyof F]: F[K] extends readonly [number, Type<infer T>] ? T : never } & {
  readonly [VIEW]: DataView;
};

/** A struct layout. It is itself a {@link Type}, so structs nest. */
export interface Struct<F = Record<string, readonly [number, Type<unknown>]>> extends Type<Live<F>> {
  /** The kernel's name, without `struct`. */
  readonly name: string;
  readonly fields: F;
  /** Lays the struct over `bytes` from `offset`; throws RangeError if they are too few. */
  over(bytes: Uint8Array, offset?: number): Live<F>;
  /** A zeroed struct with `extra` bytes behind it, for the flexible array that some structs end in. */
  alloc(extra?: number): Live<F>;
}

// biome-ignore lint/suspicious/noExplicitAny: a field table mixes element types; Live<F> recovers each one.
type AnyFields = Record<string, readonly [number, Type<any>]>;

/** Declares a struct of `size` bytes. Offsets and sizes are checked against <linux/kvm.h> by test/abi. */
export function struct<const F extends AnyFields>(name: string, size: number, fields: F): Struct<F> {
  class Over {
    readonly [VIEW]: DataView;
    constructor(view: DataView) {
      this[VIEW] = view;
    }
  }
  for (const [field, [offset, type]] of Object.entries(fields)) {
    if (offset + type.size > size) throw new RangeError(`${name}.${field} ends past the struct`);
    Object.defineProperty(Over.prototype, field, {
      enumerable: true,
      get(this: Over) {
        return type.read(this[VIEW], offset);
      },
      set(this: Over, value: unknown) {
        type.write(this[VIEW], offset, value);
      },
    });
  }
  const lay = (buffer: ArrayBufferLike, offset: number, length: number) =>
    new Over(new DataView(buffer, offset, length)) as unknown as Live<F>;
  return {
    name,
    size,
    fields,
    ctype: `struct ${name}`,
    over(target, offset = 0) {
      if (!(offset >= 0 && offset + size <= target.length))
        throw new RangeError(`${name} needs ${size} bytes at ${offset}, got ${target.length}`);
      return lay(target.buffer, target.byteOffset + offset, target.length - offset);
    },
    alloc: (extra = 0) => lay(new ArrayBuffer(size + extra), 0, size + extra),
    read: (v, o) => lay(v.buffer, v.byteOffset + o, size),
    write: (v, o, x) => {
      const from = bytesOf(x).subarray(0, size);
      new Uint8Array(v.buffer, v.byteOffset + o, size).set(from);
    },
  };
}

/** The bytes under a live record, including any flexible array behind it. Not a copy. */
export function bytesOf(record: { readonly [VIEW]: DataView }): Uint8Array {
  const v = record[VIEW];
  return new Uint8Array(v.buffer, v.byteOffset, v.byteLength);
}

/** A live record as a plain object (nested structs and arrays included), for printing. */
export function plain(record: unknown): unknown {
  if (record === null || typeof record !== 'object') return record;
  if (record instanceof Uint8Array) return record;
  if (Symbol.iterator in record) return Array.from(record as Iterable<unknown>, plain);
  const fields = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(record)));
  const out: Record<string, unknown> = {};
  for (const [name, d] of fields) if (d.get) out[name] = plain((record as Record<string, unknown>)[name]);
  return out;
}
