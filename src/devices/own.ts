/**
 * Devices of one's own: a range of ports or of guest-physical addresses, the fields of a record, and two functions. The
 * record is the whole state, so such a device is checkpointed, restored, rolled back and compared as the built-in ones are.
 */

import type { Live } from '../abi/struct.ts';
import { checkArguments, HANDLER, RANGE, URL_OBJECT } from '../arguments.ts';
import { UsageError } from '../errors.ts';
import type { AddressRange, DeviceHost, DeviceSpec, StopRequest, Width } from './device.ts';
import { declareDevice, type FieldTypes, type Placed } from './record.ts';

/** What a device does. `state` is its record: fields that read and write the device's bytes. */
export interface DeviceHandler<T extends FieldTypes> {
  /** Unique in the machine; names the record in checkpoints. */
  readonly name: string;
  /** The record's fields, in their order in the record. At power-on all are zero. Default: no state. */
  readonly state?: T;
  /** Widest access that is passed on whole, in bytes. Default 4; the bus splits wider ones. */
  readonly widest?: Width;
  /** The guest reads `width` bytes at `address`. The answer is zero-extended. Absent: reads give all ones. */
  read?(state: Live<Placed<T>>, address: number, width: Width, host: DeviceHost): number;
  /** The guest writes. An answer ends the run. Absent: writes are ignored. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a handler that returns nothing is the usual one.
  write?(state: Live<Placed<T>>, address: number, width: Width, value: number, host: DeviceHost): StopRequest | void;
}

/**
 * A device at I/O ports. Give it to `Machine.create({ memory, devices: [onPort(…)] })`, and to `restoreMachine` for a
 * checkpoint of such a machine.
 *
 * @example
 * ```ts
 * import { Machine, onPort, types } from 'vmlapse';
 *
 * const dice = onPort({ base: 0x9a40, length: 1 }, {
 *   name: 'dice',
 *   state: { throws: types.u32 },
 *   read: (state) => (state.throws++ % 6) + 1,
 * });
 * using machine = Machine.create({ memory: 2 ** 20, devices: [dice] });
 * ```
 */
export const onPort = <const T extends FieldTypes>(range: AddressRange, handler: DeviceHandler<T>): DeviceSpec => {
  checkArguments('onPort', [range, RANGE], [handler, HANDLER]);
  return deviceOf({ ports: [range] }, handler);
};

/** A device at guest-physical addresses outside RAM and ROM. See {@link onPort}. */
export const onMmio = <const T extends FieldTypes>(range: AddressRange, handler: DeviceHandler<T>): DeviceSpec => {
  checkArguments('onMmio', [range, RANGE], [handler, HANDLER]);
  return deviceOf({ mmio: [range] }, handler);
};

const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffff_ffff } as const;

function deviceOf<const T extends FieldTypes>(
  place: { readonly ports: readonly AddressRange[] } | { readonly mmio: readonly AddressRange[] },
  handler: DeviceHandler<T>,
): DeviceSpec {
  const { name, widest = 4 } = handler;
  return declareDevice(name, handler.state ?? ({} as T), {
    attach: (state, host) => ({
      ...place,
      widest,
      read: (address, width) =>
        handler.read ? clipped(handler.read(state, address, width, host), width) : ALL_ONES[width],
      write: (address, width, value) => handler.write?.(state, address, width, value, host) ?? undefined,
    }),
  });
}

const clipped = (value: number, width: Width) => (value & ALL_ONES[width]) >>> 0;

/** Devices that each vCPU thread can import: the URL of the module, and its devices. */
export interface DeviceModule {
  readonly module: string;
  readonly specs: readonly DeviceSpec[];
}

/**
 * Devices for a machine whose vCPUs have threads of their own (`RunningMachine`): each thread imports `module`, whose
 * default export is an array of devices. Throws UsageError when it is not.
 */
export async function devicesFrom(module: URL): Promise<DeviceModule> {
  checkArguments('devicesFrom', [module, URL_OBJECT]);
  const { default: specs } = await import(module.href);
  if (!Array.isArray(specs)) {
    throw new UsageError(
      `${module.href} has no array of devices as its default export; write: export default [onPort(…)]`,
    );
  }
  return { module: module.href, specs };
}

/** The devices of a module that {@link devicesFrom} was given, in another thread. Absent: none. */
export async function importDevices(module: string | undefined): Promise<readonly DeviceSpec[]> {
  return module === undefined ? [] : (await devicesFrom(new URL(module))).specs;
}

/** Functions cannot cross threads: throws UsageError for devices that come from no module, which each thread could import. */
export function checkImportable([own]: readonly DeviceSpec[], module: string | undefined): void {
  if (own === undefined || module !== undefined) return;
  throw new UsageError(
    `device ${own.name} was made in this thread, and vCPU threads cannot use it; put it into a module and create the machine with { devices: await devicesFrom(url) }`,
  );
}
