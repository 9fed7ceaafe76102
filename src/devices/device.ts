/**
 * What a device is to the bus: a name, the ports or MMIO ranges it claims, a flat byte record that is its whole
 * state, and two functions. A device keeps nothing outside its record that the guest could notice, so saving the
 * record saves the device, and threads that share the record share the device.
 */

/** A claimed range: first port number or guest-physical address, and length in bytes. */
export interface Range {
  readonly base: number;
  readonly length: number;
}

/** Width of one access in bytes. MMIO may also be 8 bytes wide; those are split into two 4-byte accesses by the bus. */
export type Width = 1 | 2 | 4;

/** A device, laid over its state record. */
export interface Device {
  readonly name: string;
  readonly ports?: readonly Range[];
  readonly mmio?: readonly Range[];
  /** Reads `width` bytes at an absolute port or address; little-endian, zero-extended. */
  read(address: number, width: Width): number;
  /** Writes; may ask the run loop to stop by returning a request. */
  write(address: number, width: Width, value: number): StopRequest | undefined;
}

/** What a device write can ask of the run loop. */
export type StopRequest =
  | { readonly kind: 'exit'; readonly value: number } // debug-exit: the guest ends with this value
  | { readonly kind: 'reset' } // i8042 0xfe, port 0x92, reset register
  | { readonly kind: 'poweroff' }; // ACPI-style or "Shutdown" port

/** What a device may use of the outside world. The machine supplies it. */
export interface DeviceHost {
  /** Sets the level of an interrupt line (GSI). Must be callable from any thread of the process. */
  setIrq(gsi: number, level: 0 | 1): void;
  /** Bytes the guest sends out: serial or debug console, in order. */
  output(channel: 'serial' | 'debugcon', bytes: Uint8Array): void;
  /** RAM size in bytes and number of vCPUs, for CMOS and fw_cfg. */
  readonly ramBytes: number;
  readonly cpus: number;
  /** Wall-clock time in milliseconds since the epoch, for the RTC. */
  now(): number;
}

/** How a device is declared: how many bytes of state it has, how it is born, and how it is laid over existing state. */
export interface DeviceSpec {
  readonly name: string;
  readonly stateBytes: number;
  /** Fills a fresh (zeroed) record with the power-on state. */
  reset(state: Uint8Array): void;
  /** The device over a record; must not change the record. */
  attach(state: Uint8Array, host: DeviceHost): Device;
  /** Byte ranges of the record by field name, for `show` and `diff`. */
  readonly fields: Record<string, readonly [offset: number, size: 1 | 2 | 4 | 8]>;
}
