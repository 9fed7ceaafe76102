/** The screen of a machine as it is now, and of a checkpoint. */
import { decodeState } from '../../snapshot/machine-state.ts';
import type { Checkpoint } from '../../snapshot/store/memory/checkpoint.ts';
import { deviceRecords, VGA } from '../../src/devices/devices.ts';
import { vgaRegisters } from '../../src/devices/vga.ts';
import { CheckpointError } from '../../src/errors.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { decodeScreen, type Screen } from './screen.ts';

/** The display's record in a machine, live. */
export const displayOf = ({ devices, deviceState }: Machine): Uint8Array =>
  deviceRecords(devices, deviceState).get(VGA.name)!;

/** Whether the guest has set a graphics mode at some time, by the display's record. */
export const hasSetGraphics = (display: Uint8Array): boolean => display[VGA.fields.graphicsSet![0]] !== 0;

/**
 * The screen of a machine. It may be read while the guest runs: then parts of it may be of different moments. Throws
 * GuestMemoryError when the machine was disposed of.
 */
export const screenOf = (machine: Machine): Screen =>
  decodeScreen(vgaRegisters(VGA, displayOf(machine)), (gpa, length) => machine.memory.read(gpa, length));

/** What is read of a checkpoint, or of a machine in its place. */
export type CheckpointScreen = Pick<Checkpoint, 'config' | 'readPages'>;

/** The screen of a checkpoint. Throws CheckpointError when that is of a machine without a display, or damaged. */
export function screenOfCheckpoint(checkpoint: CheckpointScreen): Screen {
  const display = decodeState(checkpoint.config).devices.get(VGA.name);
  if (display?.length !== VGA.stateBytes)
    throw new CheckpointError('BAD_STATE', 'the checkpoint has no display that this vmlapse knows');
  return decodeScreen(vgaRegisters(VGA, display), (gpa, length) => readBytes(checkpoint, gpa, length));
}

/** Bytes at any address: whole pages are read, and cut. */
function readBytes(checkpoint: CheckpointScreen, gpa: number, length: number): Uint8Array {
  const first = Math.floor(gpa / PAGE_SIZE);
  const count = Math.ceil((gpa + length) / PAGE_SIZE) - first;
  const pages = new Uint8Array(count * PAGE_SIZE);
  checkpoint.readPages(
    Array.from({ length: count }, (_, i) => (first + i) * PAGE_SIZE),
    pages,
  );
  return pages.subarray(gpa - first * PAGE_SIZE, gpa - first * PAGE_SIZE + length);
}
