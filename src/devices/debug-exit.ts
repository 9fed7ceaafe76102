/**
 * Port 0xf4: what the guest writes there is how it ends. The same port as the isa-debug-exit of QEMU, but the value is
 * the exit status as it is, where QEMU makes (value << 1) | 1 of it.
 */
import { u32 } from '../abi/types.ts';
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

const FIELDS = { value: u32 };

/** Ends the guest with the value written, 1, 2 or 4 bytes wide, at any of the four ports from `base`. Reads give 0. */
export function debugExit(base = 0xf4): DeviceSpec {
  return declareDevice('debug-exit', FIELDS, {
    attach: (r) => ({
      ports: [{ base, length: 4 }],
      widest: 4,
      read: () => 0,
      write(_port, _width, value) {
        r.value = value;
        return { kind: 'exit', value };
      },
    }),
  });
}
