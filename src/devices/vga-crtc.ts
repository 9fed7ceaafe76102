/**
 * The CRT controller's index and data ports of a colour VGA, 0x3d4 and 0x3d5. A text-mode guest keeps its cursor here
 * and reads it back; the picture itself is in guest memory at 0xb8000.
 */
import { bytes, u8 } from '../abi/types.ts';
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

const INDEX = 0x3d4;
/** Registers 0x00 to 0x18 exist (IBM VGA); the others read 0. */
const REGISTERS = 0x19;

const FIELDS = { index: u8, registers: bytes(REGISTERS) };

/** Index and registers that read back as written. */
export function vgaCrtc(): DeviceSpec {
  return declareDevice('vga-crtc', FIELDS, {
    attach(r) {
      const { registers } = r;
      return {
        ports: [{ base: INDEX, length: 2 }],
        read: (port) => (port === INDEX ? r.index : (registers[r.index] ?? 0)),
        write(port, _width, value) {
          if (port === INDEX) r.index = value;
          else if (r.index < REGISTERS) registers[r.index] = value;
          return undefined;
        },
      };
    },
  });
}
