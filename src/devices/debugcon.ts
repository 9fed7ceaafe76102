/**
 * The debug console of Bochs and QEMU: bytes written go to the host at once, and a read gives 0xe9, by which a guest detects
 * it. Port 0xe9 is the usual place; SeaBIOS uses 0x402.
 */
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

const PRESENT = 0xe9;

/** A debug console at one port. It has no state. */
export function debugcon(port = 0xe9): DeviceSpec {
  return declareDevice(
    `debugcon@0x${port.toString(16)}`,
    {},
    {
      attach(_fields, host) {
        const oneByte = new Uint8Array(1);
        return {
          ports: [{ base: port, length: 1 }],
          read: () => PRESENT,
          write(_port, _width, value) {
            oneByte[0] = value;
            host.output('debugcon', oneByte);
            return undefined;
          },
          writeRun(_port, bytes) {
            host.output('debugcon', bytes);
            return undefined;
          },
        };
      },
    },
  );
}
