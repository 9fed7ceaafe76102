/** The host's end of a serial line, for a thread that runs no vCPU. */
import { UsageError } from '../errors.ts';
import type { DeviceHost, DeviceSpec } from './device.ts';
import { COM1, deviceLock, deviceRecords } from './devices.ts';
import type { UartSpec } from './uart.ts';

/** Input to the guest. Both methods take the devices' lock, so the vCPUs' buses must take it too. */
export interface SerialInput {
  /** Queues bytes and raises the interrupt; returns how many fitted. Offer the rest again when there is room. */
  receive(bytes: Uint8Array): number;
  /** Bytes that fit now. */
  room(): number;
}

/** Opens the input side of a serial port of a running machine. Throws UsageError when the machine has no such port. */
export function openSerialInput(
  specs: readonly DeviceSpec[],
  buffer: SharedArrayBuffer,
  host: DeviceHost,
  port: UartSpec = COM1,
): SerialInput {
  if (!specs.includes(port)) throw new UsageError(`the machine has no serial port ${port.name}; add it to its devices`);
  const uart = port.attach(deviceRecords(specs, buffer).get(port.name)!, host);
  const lock = deviceLock(buffer);
  return {
    receive: (bytes) => lock.withLock(() => uart.receive(bytes)),
    room: () => lock.withLock(() => uart.room()),
  };
}
