/**
 * The ways a guest without firmware resets the machine or switches it off: port 0x92 of the PS/2; the ACPI PM1a control
 * register where QEMU, Bochs and VirtualBox have it; and Bochs' port that waits for the text "Shutdown" (GRUB on coreboot,
 * kernel test suites).
 */
import { bytes, u8 } from '../abi/types.ts';
import { type DeviceSpec, load, store } from './device.ts';
import { declareDevice } from './record.ts';

/** PM1 control, ACPI specification 4.8.3.2.1: SLP_EN enters the sleep state of SLP_TYP; any of them is off here. */
const SLP_EN = 0x2000;

/** The control register that the ACPI tables name: where QEMU has it (PIIX4 and ICH9). */
export const PM1A_CONTROL = 0x604;
/** 0xb004 Bochs and old QEMU, 0x4004 VirtualBox. */
const PM1A_CONTROL_PORTS = [PM1A_CONTROL, 0xb004, 0x4004] as const;

const PM1A_FIELDS = { control: bytes(2 * PM1A_CONTROL_PORTS.length) };

/** PM1a control at each known place; reads back without the write-only SLP_EN. */
export function acpiPower(): DeviceSpec {
  return declareDevice('acpi-pm1a', PM1A_FIELDS, {
    attach(_fields, _host, state) {
      const at = (port: number) => PM1A_CONTROL_PORTS.findIndex((base) => (port & ~1) === base) * 2 + (port & 1);
      return {
        ports: PM1A_CONTROL_PORTS.map((base) => ({ base, length: 2 })),
        widest: 2,
        read: (port, width) => load(state, at(port), width),
        write(port, width, value) {
          const enable = port & 1 ? SLP_EN >> 8 : SLP_EN;
          store(state, at(port), width, value & ~enable);
          return value & enable ? { kind: 'poweroff' } : undefined;
        },
      };
    },
  });
}

const SHUTDOWN_TEXT = Buffer.from('Shutdown', 'latin1');
const SHUTDOWN_FIELDS = { matched: u8 };

/** Port 0x8900: switches off when the last bytes written were "Shutdown". Reads give all ones. */
export function shutdownPort(port = 0x8900): DeviceSpec {
  return declareDevice('shutdown-port', SHUTDOWN_FIELDS, {
    attach: (r) => ({
      ports: [{ base: port, length: 1 }],
      read: () => 0xff,
      write(_port, _width, value) {
        const matched = value === SHUTDOWN_TEXT[r.matched] ? r.matched + 1 : value === SHUTDOWN_TEXT[0] ? 1 : 0;
        const complete = matched === SHUTDOWN_TEXT.length;
        r.matched = complete ? 0 : matched;
        return complete ? { kind: 'poweroff' } : undefined;
      },
    }),
  });
}

const FAST_RESET = 0x01;
const A20 = 0x02;

const PORT92_FIELDS = { control: u8 };

/**
 * System control port A of the PS/2, 0x92: bit 0 resets the machine; bit 1, the A20 gate, is open at power-on and reads back
 * as written, but KVM never masks address line 20.
 */
export function systemControl(port = 0x92): DeviceSpec {
  return declareDevice('port92', PORT92_FIELDS, {
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
