/**
 * 64 KiB of memory-mapped I/O at 0xff000000 that keep what is written, where QEMU's pc-testdev has them: kernel test suites
 * let instructions work on it, since KVM has to emulate each of these.
 */
import { bytes, u8 } from '../abi/types.ts';
import { type DeviceSpec, load, store } from './device.ts';
import { declareDevice } from './record.ts';

const BASE = 0xff00_0000;
const LENGTH = 0x1_0000;

const FIELDS = { used: u8, memory: bytes(LENGTH) };
/** Where the memory begins in the record. */
const MEMORY = 1;

/** Its record is large, and stays out of checkpoints until the guest writes to it. */
export function testMemory(): DeviceSpec {
  const spec = declareDevice('test-memory', FIELDS, {
    attach: (r, _host, state) => ({
      mmio: [{ base: BASE, length: LENGTH }],
      widest: 4,
      read: (gpa, width) => load(state, MEMORY + gpa - BASE, width),
      write(gpa, width, value) {
        r.used = 1;
        store(state, MEMORY + gpa - BASE, width, value);
        return undefined;
      },
    }),
  });
  return { ...spec, rare: true };
}
