/**
 * ACPI's PM1a status and enable registers (ACPI specification 4.8.3.1), at 0x600 as in QEMU. No event of theirs ever
 * happens here: buttons come by the generic event device. An operating system switches them off and on all the same.
 */
import { u8, u16 } from '../abi/types.ts';
import { type DeviceSpec, load, store } from './device.ts';
import { declareDevice } from './record.ts';

/** The first of four ports. */
export const PM1A_EVENTS = 0x600;
const FIELDS = { used: u8, enable: u16 };
/** Where `enable` lies in the record, and its first port. */
const ENABLE = 1;
const ENABLE_PORT = PM1A_EVENTS + 2;

/** The registers; status reads 0. */
export function acpiEvents(): DeviceSpec {
  const spec = declareDevice('acpi-pm1a-events', FIELDS, {
    attach: (r, _host, state) => ({
      ports: [{ base: PM1A_EVENTS, length: 4 }],
      widest: 2,
      read: (port, width) => (port < ENABLE_PORT ? 0 : load(state, ENABLE + port - ENABLE_PORT, width)),
      write(port, width, value) {
        if (port < ENABLE_PORT) return undefined;
        r.used = 1;
        store(state, ENABLE + port - ENABLE_PORT, width, value);
        return undefined;
      },
    }),
  });
  return { ...spec, rare: true };
}
