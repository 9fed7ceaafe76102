/** A checkpoint with pages that its machine's memory has no place for. */
import { CheckpointError } from '../src/errors.ts';
import { PAGE_SIZE } from '../src/memory/bitmap.ts';

/** The error that says so. */
export const outsideMemory = (gpa: number, length: number) =>
  new CheckpointError(
    'BAD_STATE',
    `the checkpoint has ${length / PAGE_SIZE} pages at 0x${gpa.toString(16)}, outside its machine's memory; verify the store`,
  );
