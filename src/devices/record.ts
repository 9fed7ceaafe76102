/**
 * Device records as data: `record('post', { value: u8 })` lays its fields out one after the other, without gaps. The
 * one declaration gives the device typed live accessors and gives `show` and `diff` the names of the bytes.
 */
import { type Live, type Struct, struct } from '../abi/struct.ts';
import type { Type } from '../abi/types.ts';
import type { DeviceSpec } from './device.ts';

/** Fields of a record by name, in the order of their bytes. */
// biome-ignore lint/suspicious/noExplicitAny: a field table mixes element types; Live recovers each one.
export type FieldTypes = Record<string, Type<any>>;
/** The fields of a record, each at its offset. */
export type Placed<T extends FieldTypes> = { readonly [K in keyof T]: readonly [offset: number, type: T[K]] };

/** The layout of one device's state. */
interface RecordLayout<T extends FieldTypes> {
  readonly stateBytes: number;
  readonly fields: DeviceSpec['fields'];
  /** The fields, live over `state`. */
  over(state: Uint8Array): Live<Placed<T>>;
}

/** Declares a record. The order of the fields is the order of the bytes, and so part of the checkpoint format. */
export function record<const T extends FieldTypes>(name: string, types: T): RecordLayout<T> {
  const placed: Record<string, readonly [number, Type<unknown>]> = {};
  let size = 0;
  for (const [field, type] of Object.entries(types)) {
    placed[field] = [size, type];
    size += type.size;
  }
  const layout = struct(name, size, placed as Placed<T>);
  return {
    stateBytes: size,
    fields: Object.fromEntries(namedBytes('', 0, placed)),
    over: (state) => layout.over(state),
  };
}

function* namedBytes(
  prefix: string,
  base: number,
  fields: Struct['fields'],
): Generator<readonly [string, readonly [number, number]]> {
  for (const [field, [offset, type]] of Object.entries(fields)) {
    if ('fields' in type) yield* namedBytes(`${prefix}${field}.`, base + offset, (type as Struct).fields);
    else yield [prefix + field, [base + offset, type.size]];
  }
}
