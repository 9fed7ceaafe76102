/** Ports that only remember: each byte reads back as it was written last. */
import { bytes, u8 } from '../abi/types.ts';
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

/** `length` ports from `base`, one byte each. */
export function stores(name: string, base: number, length: number): DeviceSpec {
  return declareDevice(name, length === 1 ? { value: u8 } : { values: bytes(length) }, {
    attach: (_fields, _host, state) => ({
      ports: [{ base, length }],
      read: (port) => state[port - base]!,
      write(port, _width, value) {
        state[port - base] = value;
        return undefined;
      },
    }),
  });
}

/** Port 0x80: a BIOS leaves its power-on self-test code here, and Linux writes it to wait a microsecond. */
export const post = (): DeviceSpec => stores('post', 0x80, 1);

/** Ports 0xe0-0xe3, where test suites for KVM check that port writes of each width arrive. */
export const testPorts = (): DeviceSpec => stores('test-ports', 0xe0, 4);
