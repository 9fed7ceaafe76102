/** QEMU's isa-debug-exit: a port whose value becomes the exit status as in QEMU. QEMU itself has it at 0x501. */
import { u32 } from '../abi/types.ts';
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

const FIELDS = { value: u32 };

/** Ends the guest with (value << 1) | 1 for the value written at any of the four ports from `base`. Reads give 0. */
export function isaDebugExit(base: number): DeviceSpec {
  return declareDevice('isa-debug-exit', FIELDS, {
    attach: (r) => ({
      ports: [{ base, length: 4 }],
      widest: 4,
      read: () => 0,
      write(_port, _width, value) {
        r.value = value;
        return { kind: 'exit', value: ((value << 1) | 1) >>> 0 };
      },
    }),
  });
}
