/**
 * A machine's state as named values: what `show` prints and `diff` compares. Every part of the state becomes a section,
 * every struct member a field; nothing that is stored is left out.
 */
import { decodeFlags, type FlagTable, nameOf } from '../../src/abi/flags.ts';
import { bytesOf, type Live, type Struct } from '../../src/abi/struct.ts';

/** One named value. */
export interface StateField {
  /** "rip", or "cs.base" for a member of something that has several. */
  readonly name: string;
  readonly value: bigint | Uint8Array;
  /** Bytes the value takes in its struct. */
  readonly size: number;
  /** What the value says: names of flags, of a state. */
  readonly meaning?: string;
}

/** The fields of one part of the state. */
export interface StateSection {
  /** The part: "vcpu/0/regs", "vm/ioapic", "device/com1", "machine/cpuid", "rom/0xfffe0000". */
  readonly path: string;
  /** The same in words. */
  readonly title: string;
  readonly fields: readonly StateField[];
}

/** A field of a number. */
export function field(name: string, value: number | bigint, size: number, meaning = ''): StateField {
  return { name, value: BigInt.asUintN(64, BigInt(value)), size, ...(meaning !== '' && { meaning }) };
}

/** A field of raw bytes. */
export const rawField = (name: string, value: Uint8Array): StateField => ({ name, value, size: value.length });

/** Names the flags of a value; empty when none is set. */
export const flagsOf = (table: FlagTable, value: number | bigint): string => decodeFlags(table, value).join('|');

/** Names a value of a table. */
export const named = (table: Readonly<Record<string, number>>) => (value: bigint) => nameOf(table, Number(value));

/** How fields of a struct are explained: by name, without prefix or index. */
export type Meanings = Readonly<Record<string, (value: bigint) => string>>;

// Reserved members say nothing; the kernel writes zeros.
const SILENT = /^(pad|pad\d|padding|reserved|dummy)$/;

/** Every member of a struct, those of nested structs and arrays included, as "outer.inner" and "array3". */
export function structFields(layout: Struct, bytes: Uint8Array, meanings: Meanings = {}, prefix = ''): StateField[] {
  return membersOf(layout, layout.over(bytes) as Live<Struct['fields']>, meanings, prefix);
}

function membersOf(layout: Struct, record: Live<Struct['fields']>, meanings: Meanings, prefix: string): StateField[] {
  return Object.entries(layout.fields).flatMap(([member, [, type]]) => {
    if (SILENT.test(member)) return [];
    const value = (record as Record<string, unknown>)[member];
    return valueFields(prefix + member, value, type.size, meanings[member]);
  });

  function valueFields(name: string, value: unknown, size: number, meaning?: (value: bigint) => string): StateField[] {
    if (typeof value === 'number' || typeof value === 'bigint') {
      const bits = BigInt.asUintN(size * 8, BigInt(value));
      return [field(name, bits, size, meaning?.(bits))];
    }
    if (value instanceof Uint8Array) return [rawField(name, value)];
    const inner = (layout.fields as Record<string, readonly [number, unknown]>)[name.slice(prefix.length)]?.[1];
    if (inner && typeof inner === 'object' && 'fields' in inner) {
      const nested = inner as Struct;
      return structFields(nested, bytesOf(value as never), meanings, `${name}.`);
    }
    const elements = [...(value as Iterable<unknown>)];
    return elements.flatMap((element, i) =>
      typeof element === 'object' && !(element instanceof Uint8Array)
        ? structElement(inner, element, meanings, `${name}${i}.`)
        : valueFields(`${name}${i}`, element, size / elements.length, meaning),
    );
  }
}

function structElement(array: unknown, element: unknown, meanings: Meanings, prefix: string): StateField[] {
  const { element: layout } = array as { readonly element: Struct };
  return structFields(layout, bytesOf(element as never), meanings, prefix);
}

/** Fields laid out by a table of byte ranges: 1, 2, 4 and 8 bytes are little-endian integers, all else is raw. */
export function rangeFields(
  table: Readonly<Record<string, readonly [offset: number, size: number]>>,
  bytes: Uint8Array,
): StateField[] {
  return Object.entries(table).map(([name, [offset, size]]) => {
    const part = bytes.subarray(offset, offset + size);
    if (part.length < size) throw new RangeError(`${name} ends past the ${bytes.length} bytes`);
    return [1, 2, 4, 8].includes(size) ? field(name, integer(part), size) : rawField(name, part);
  });
}

/** A little-endian unsigned integer of up to 8 bytes. */
export function integer(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

/** Equal in value; the meaning follows from it. */
export function sameValue(a: StateField['value'], b: StateField['value']): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : a === b;
}
