/**
 * The debug console of Bochs and QEMU: bytes written go to the host at once, and a read gives 0xe9, by which a guest
 * knows that somebody listens. Port 0xe9 is the usual place; SeaBIOS looks at 0x402.
 */
import type { DeviceSpec } from './device.ts';

const PRESENT = 0xe9;

/** A debug console at one port. It has no state. */
export function debugcon(port = 0xe9): DeviceSpec {
  const name = `debugcon@0x${port.toString(16)}`;
  return {
    name,
    stateBytes: 0,
    fields: {},
    reset() {},
    attach(_state, host) {
      const oneByte = new Uint8Array(1);
      return {
        name,
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
  };
}
