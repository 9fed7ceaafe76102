/**
 * The minimum of QEMU's firmware configuration device (QEMU documentation, "Firmware Configuration (fw_cfg) Device"):
 * a 16-bit selector at 0x510 and a data byte at 0x511, without DMA and without files.
 */
import { u16, u32 } from '../abi/types.ts';
import type { DeviceHost, DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

const SELECTOR = 0x510;

const FIELDS = { key: u16, offset: u32 };

/** Items by key. Bytes past an item's end, and all of an unknown one, read as zero: so the file directory is empty. */
const ITEMS: Record<number, (host: DeviceHost) => Uint8Array> = {
  0: () => Buffer.from('QEMU', 'latin1'),
  // Feature bits: only the traditional interface.
  1: () => Uint8Array.of(1, 0, 0, 0),
  3: (host) => new Uint8Array(BigUint64Array.of(BigInt(host.ramBytes)).buffer),
  // Processors now, and at most.
  5: (host) => Uint8Array.of(host.cpus & 0xff, host.cpus >> 8),
  15: (host) => Uint8Array.of(host.cpus & 0xff, host.cpus >> 8),
};

/** A read-only fw_cfg with signature, RAM size and processor count. */
export function fwCfg(): DeviceSpec {
  return declareDevice('fw-cfg', FIELDS, {
    attach: (r, host) => ({
      ports: [{ base: SELECTOR, length: 2 }],
      widest: 2,
      read(port, width) {
        if (port === SELECTOR) return width === 2 ? 0xffff : 0xff;
        const item = ITEMS[r.key]?.(host);
        const at = r.offset;
        r.offset = at + 1;
        return item?.[at] ?? 0;
      },
      write(port, _width, value) {
        if (port !== SELECTOR) return undefined;
        r.key = value;
        r.offset = 0;
        return undefined;
      },
    }),
  });
}
