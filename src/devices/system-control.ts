/** Port 0x92, system control port A of the PS/2: bit 1 is the A20 gate, bit 0 resets the machine. */
import { u8 } from '../abi/types.ts';
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

const FAST_RESET = 0x01;
const A20 = 0x02;

const FIELDS = { control: u8 };

/** The gate reads back as written, open at power-on; KVM never masks address line 20. */
export function systemControl(port = 0x92): DeviceSpec {
  return declareDevice('port92', FIELDS, {
    reset: (r) => Object.assign(r, { control: A20 }),
    attach: (r) => ({
      ports: [{ base: port, length: 1 }],
      read: () => r.control,
      write(_port, _width, value) {
        r.control = value & ~FAST_RESET;
        return value & FAST_RESET ? { kind: 'reset' } : undefined;
      },
    }),
  });
}
