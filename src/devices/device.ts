/**
 * A device for the bus: a name, its ports or MMIO ranges, a flat byte record that is its whole state, and two functions.
 * A device keeps no guest-visible state outside its record, so to save the record is to save the device, and threads that
 * share the record share the device.
 */

import type { QueueHost } from './queue-host.ts';
import type { WorkQueue } from './work.ts';

/** A claimed range: first port number or guest-physical address, and length in bytes. */
export interface AddressRange {
  readonly base: number;
  readonly length: number;
}

/** Width of one access in bytes. MMIO may also be 8 bytes wide; those are split into two 4-byte accesses by the bus. */
export type Width = 1 | 2 | 4;

/** A device, laid over its state record. */
export interface Device {
  readonly name: string;
  readonly ports?: readonly AddressRange[];
  readonly mmio?: readonly AddressRange[];
  /** Widest access it takes whole (default 1). The bus splits wider ones into narrower ones, as an ISA bus does. */
  readonly widest?: Width;
  /** Reads `width` bytes at an absolute port or address; little-endian, zero-extended, never negative. */
  read(address: number, width: Width): number;
  /** Writes; `value` is zero-extended. May ask the run loop to stop by returning a request. */
  write(address: number, width: Width, value: number): StopRequest | undefined;
  /** Writes a run of bytes to one port (`rep outsb`). Same effect as one write each; absent: the bus does just that. */
  writeRun?(port: number, bytes: Uint8Array): StopRequest | undefined;
  /** Work that it does by itself, in guest RAM. */
  readonly queue?: WorkQueue;
}

/** A request of a device to the exit loop: to end the run, or to serve a call of the BIOS. */
export type StopRequest =
  | { readonly kind: 'exit'; readonly value: number } // debug-exit: the guest ends with this value
  | { readonly kind: 'reset' } // i8042 0xfe, port 0x92, reset register
  | { readonly kind: 'poweroff' } // ACPI-style or "Shutdown" port
  | { readonly kind: 'bios' }; // the BIOS in ROM calls the host

/** Where output comes from: ports, the BIOS's text on the screen, and what the BIOS tells the user, in lines. */
export type OutputChannel = 'serial' | 'debugcon' | 'teletype' | 'notes';

/** What a device may call, supplied by the machine. These functions must not access the bus. */
export interface DeviceHost {
  /** Sets the level of an interrupt line (GSI). Must be callable from any thread of the process. */
  setIrq(gsi: number, level: 0 | 1): void;
  /** Output of the guest, in order. The bytes are valid only during the call. */
  output(channel: OutputChannel, bytes: Uint8Array): void;
  /** RAM size in bytes and number of vCPUs, for CMOS and fw_cfg. */
  readonly ramBytes: number;
  readonly cpus: number;
  /** The part of `ramBytes` that lies below 4 GiB. Default: all of it up to 3 GiB. */
  readonly lowRamBytes?: number;
  /** Wall-clock time in milliseconds since the epoch, for the RTC. */
  now(): number;
  /** What devices with queues use. Absent on machines without such. */
  readonly queues?: QueueHost;
}

/** The declaration of a device: the size of its state, its power-on state, and how to attach it to a state. */
export interface DeviceSpec {
  readonly name: string;
  readonly stateBytes: number;
  /** Fills a fresh (zeroed) record with the power-on state. */
  reset(state: Uint8Array): void;
  /**
   * The record that an earlier release had in place of this one, which begins with the same bytes. What was added since is
   * as at power-on when a checkpoint of that release is read. `zeroIsUnset`: all bytes of that record were 0 at power-on, so
   * those that are 0 still are as at power-on, too.
   */
  readonly earlier?: { readonly name: string; readonly bytes: number; readonly zeroIsUnset?: true };
  /**
   * A record that most machines never use: all zeros at power-on, and its first byte is not 0 once it is in use. It is left
   * out of a checkpoint while it is not; where a checkpoint has none, it is as at power-on.
   */
  readonly rare?: true;
  /** The device over a record; must not change the record. */
  attach(state: Uint8Array, host: DeviceHost): Device;
  /**
   * Byte ranges of the record by field name, for `show` and `diff`. Sizes 1, 2, 4 and 8 are little-endian unsigned
   * integers, any other size is raw bytes.
   */
  readonly fields: Record<string, readonly [offset: number, size: number]>;
}

/** Reads a little-endian number of `width` bytes at `at`, which need not be aligned. */
export function load(data: Uint8Array, at: number, width: Width): number {
  let value = 0;
  for (let i = width - 1; i >= 0; i--) value = value * 256 + data[at + i]!;
  return value;
}

/** Writes the low `width` bytes of `value` at `at`, little-endian. */
export function store(data: Uint8Array, at: number, width: Width, value: number): void {
  for (let i = 0; i < width; i++) data[at + i] = value >>> (8 * i);
}
