import type { DeviceHost } from '../../src/devices/device.ts';

/** How a replay is done. */
export interface ReplayOptions {
  /** Receives what the guest prints. */
  readonly output?: DeviceHost['output'];
  /** Compares nothing: for looking at a run that is known to be another. */
  readonly lenient?: boolean;
}
