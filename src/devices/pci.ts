/**
 * PCI configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2) with an empty bus behind it: the address register at
 * 0xcf8 reads back, so a guest finds the mechanism, and every device is absent, so probing ends at once.
 * Only a 4-byte access at 0xcf8 reaches that register; a byte at 0xcf9 is the chipset's reset control.
 */
import { u8, u32 } from '../abi/types.ts';
import type { DeviceSpec, Width } from './device.ts';
import { declareDevice } from './record.ts';

const ADDRESS = 0xcf8;
const RESET_CONTROL = 0xcf9;
const ENABLE_AND_ADDRESS = 0x80ff_fffc;
/** Reset control: bit 2 resets when it rises; bits 1 and 3 choose how hard and read back. */
const RESET_CPU = 0x04;
const RESET_KEPT = 0x0a;

const FIELDS = { address: u32, resetControl: u8 };

/** An empty PCI bus with the reset control register. */
export function emptyPci(): DeviceSpec {
  return declareDevice('pci', FIELDS, {
    attach: (r) => ({
      ports: [{ base: ADDRESS, length: 8 }],
      widest: 4,
      read(port, width) {
        if (port === ADDRESS && width === 4) return r.address;
        return port === RESET_CONTROL && width === 1 ? r.resetControl : allOnes(width);
      },
      write(port, width, value) {
        if (port === ADDRESS && width === 4) r.address = (value & ENABLE_AND_ADDRESS) >>> 0;
        if (port !== RESET_CONTROL || width !== 1) return undefined;
        r.resetControl = value & RESET_KEPT;
        return value & RESET_CPU ? { kind: 'reset' } : undefined;
      },
    }),
  });
}

const allOnes = (width: Width) => 2 ** (8 * width) - 1;
