/**
 * The record of the machine's generation (Microsoft, Virtual Machine Generation ID, 2012): a number in guest memory that is
 * another one after a restore or fork, so that an operating system knows that it has been copied. The device has no
 * registers; ACPI tells where the number lies, and an interrupt that it has changed.
 */
import { bytes, u8, u32 } from '../abi/types.ts';
import type { DeviceSpec } from './device.ts';
import { declareDevice } from './record.ts';

/** Bytes of a generation. */
export const GENERATION_BYTES = 16;

const FIELDS = {
  /** Not 0 where the machine's ACPI tables describe it. */
  used: u8,
  /** Where the number lies. */
  gpa: u32,
  /** The number that was written last. */
  id: bytes(GENERATION_BYTES),
};

/** See the file's header. */
export const GENERATION: DeviceSpec = {
  ...declareDevice('generation', FIELDS, { attach: () => ({ read: () => 0, write: () => undefined }) }),
  rare: true,
};
