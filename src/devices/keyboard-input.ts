/** The host's end of the keyboard, for a thread that runs no vCPU. */
import { UsageError } from '../errors.ts';
import type { DeviceHost, DeviceSpec } from './device.ts';
import { deviceLock, deviceRecords, I8042 } from './devices.ts';

/** Keys for the guest. It takes the devices' lock, so the vCPUs' buses must take it too. */
export interface KeyboardInput {
  /**
   * Queues keys, as codes of set 1 with prefixes and releases, and raises the interrupt; returns how many bytes fitted.
   * Offer the rest again when there is room.
   */
  press(codes: Uint8Array): number;
}

/** Opens the keyboard of a running machine. Throws UsageError when the machine has none. */
export function openKeyboard(specs: readonly DeviceSpec[], buffer: SharedArrayBuffer, host: DeviceHost): KeyboardInput {
  if (!specs.includes(I8042)) throw new UsageError('the machine has no keyboard; add it to its devices');
  const device = I8042.attach(deviceRecords(specs, buffer).get(I8042.name)!, host);
  const lock = deviceLock(buffer);
  return { press: (codes) => lock.withLock(() => device.press(codes)) };
}
