/** A checkpoint's memory into a file, each region at its place. */

import { isDiskPage } from '../disk-blocks.ts';
import { corrupt } from '../store/format/digest.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { OnProgress } from '../store/store-types.ts';
import type { SparseFile } from './sparse-file.ts';

/** Where a stretch of guest-physical memory lies in a file. Bytes. */
export interface FileRegion {
  readonly gpa: number;
  readonly size: number;
  readonly offset: number;
}

/** Writes what is not zero of RAM. Throws CheckpointError CORRUPT for pages outside the regions. Returns the bytes written. */
export function writeMemory(
  checkpoint: Checkpoint,
  regions: readonly FileRegion[],
  file: SparseFile,
  onProgress: OnProgress | undefined,
): number {
  let written = 0;
  const data = (gpa: number, bytes: Uint8Array) => {
    if (isDiskPage(gpa)) return;
    const region = regions.find((r) => gpa >= r.gpa && gpa + bytes.length <= r.gpa + r.size);
    if (region) file.write(region.offset + gpa - region.gpa, bytes);
    else if (bytes.length > PAGE_SIZE) splitPages(gpa, bytes, data);
    else
      throw corrupt(
        `checkpoint ${checkpoint.digest}`,
        `it has a page at 0x${gpa.toString(16)}, outside of the machine's RAM`,
      );
    if (region) written += bytes.length;
  };
  checkpoint.readAll({ data }, onProgress);
  return written;
}

/** A run may go on from one region into the next. */
function splitPages(gpa: number, bytes: Uint8Array, take: (gpa: number, bytes: Uint8Array) => void): void {
  for (let at = 0; at < bytes.length; at += PAGE_SIZE) take(gpa + at, bytes.subarray(at, at + PAGE_SIZE));
}
