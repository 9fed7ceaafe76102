/**
 * Devices as data: `declareDevice('post', { value: u8 }, …)` lays the fields of the device's record out one after the other,
 * without gaps. The one declaration gives the device typed live accessors, and `show` and `diff` the names of the bytes.
 */
import { type Live, type Struct, struct } from '../abi/struct.ts';
import type { Type } from '../abi/types.ts';
import type { Device, DeviceHost, DeviceSpec } from './device.ts';

/** Fields of a record by name, in the order of their bytes. */
// biome-ignore lint/suspicious/noExplicitAny: a field table mixes element types; Live recovers each one.
export type FieldTypes = Record<string, Type<any>>;
/** The fields of a record, each at its offset. */
export type Placed<T extends FieldTypes> = { readonly [K in keyof T]: readonly [offset: number, type: T[K]] };

/** What a device does, given its record. */
interface DeviceParts<T extends FieldTypes, D> {
  /** See {@link DeviceSpec.earlier}. */
  readonly earlier?: NonNullable<DeviceSpec['earlier']>;
  /** Sets what is not zero at power-on. */
  reset?(fields: Live<Placed<T>>): void;
  /** The device over its fields; `state` is their bytes. Must not change them. */
  attach(fields: Live<Placed<T>>, host: DeviceHost, state: Uint8Array): D;
}

/** Declares a device. The order of the fields is the order of the bytes, and so part of the checkpoint format. */
export function declareDevice<const T extends FieldTypes, D extends Omit<Device, 'name'>>(
  name: string,
  types: T,
  { earlier, reset, attach }: DeviceParts<T, D>,
) {
  const placed: Record<string, readonly [number, Type<unknown>]> = {};
  let stateBytes = 0;
  for (const [field, type] of Object.entries(types)) {
    placed[field] = [stateBytes, type];
    stateBytes += type.size;
  }
  const layout = struct(name, stateBytes, placed as Placed<T>);
  return {
    name,
    stateBytes,
    ...(earlier && { earlier }),
    fields: Object.fromEntries(namedBytes('', 0, placed)),
    reset: (state: Uint8Array) => reset?.(layout.over(state)),
    attach: (state: Uint8Array, host: DeviceHost) => ({ name, ...attach(layout.over(state), host, state) }),
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
