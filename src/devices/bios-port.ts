/**
 * Port 0xb8: where the BIOS in ROM calls the host. A write asks the run loop to serve the call, which is in the vCPU's
 * registers; reads give all ones. The device has no state and so no
 * place in a checkpoint: what a BIOS remembers is in guest memory.
 */
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

/** The port of the BIOS: below 0x100, so that OUT names it in one byte and no register is needed. */
export const BIOS_PORT = 0xb8;

/** The port of the BIOS. */
export const biosPort = (): DeviceSpec => ({
  ...declareDevice(
    'bios-port',
    {},
    {
      attach: () => ({
        ports: [{ base: BIOS_PORT, length: 1 }],
        read: () => 0xff,
        write: () => ({ kind: 'bios' }),
      }),
    },
  ),
  rare: true,
});
