/** The source of random numbers (virtio 1.2, 5.4): it fills what the driver offers. */
import { randomFillSync } from 'node:crypto';
import type { DeviceSpec } from '../device.ts';
import { DEVICE_ID } from './registers.ts';
import { RNG_SLOT } from './slots.ts';
import { virtioDevice } from './transport.ts';

/** Bytes that one request gets at most; a driver asks again. */
const MAX_BYTES = 2 ** 16;

/** The random number generator of the host. What it gave is in no checkpoint: each machine that is brought back gets other bytes. */
export const virtioRng = (): DeviceSpec =>
  virtioDevice('rng', RNG_SLOT, () => ({
    deviceId: DEVICE_ID.ENTROPY,
    features: [],
    config: new Uint8Array(),
    serve({ writable }, ram) {
      let left = MAX_BYTES;
      for (const { gpa, length } of writable) {
        const part = Math.min(left, length);
        if (part > 0) ram.update(gpa, part, (view) => randomFillSync(view));
        left -= part;
      }
      return MAX_BYTES - left;
    },
  }));
