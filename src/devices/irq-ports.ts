/** Ports 0x2000 + n, where test suites for KVM raise (write 1) and lower (write 0) interrupt line n by hand. */
import { bytes } from '../abi/types.ts';
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

const LINES = 24;

const FIELDS = { levels: bytes(LINES) };

/** One port per input of the I/O APIC. A read gives the level written last. */
export function irqPorts(base = 0x2000): DeviceSpec {
  return declareDevice('irq-ports', FIELDS, {
    attach: (_fields, host, state) => ({
      ports: [{ base, length: LINES }],
      read: (port) => state[port - base]!,
      write(port, _width, value) {
        const level = value ? 1 : 0;
        state[port - base] = level;
        host.setIrq(port - base, level);
        return undefined;
      },
    }),
  });
}
