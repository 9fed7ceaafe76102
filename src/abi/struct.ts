/**
 * Struct layouts as data: `struct('kvm_regs', 144, { rax: [0, u64], … })` yields typed accessors over a live buffer.
 *
 * A struct is never copied into an object: reading a field reads the bytes the kernel wrote, writing a field writes
 * the bytes the kernel will read.
 */
import type { Type } from './types.ts';

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
