/** A disk of a checkpoint as a raw image: the image it rests on, and over it the blocks that the guest had written. */
import { checkDigest } from '../../src/disk/digest.ts';
import { DiskImage, readImageAt } from '../../src/disk/image.ts';
import { overlayLayout } from '../../src/disk/overlay-layout.ts';
import { UsageError } from '../../src/errors.ts';
import { dataRuns } from '../../src/ffi/mapping.ts';
import { PAGE_SIZE } from '../../src/memory/bitmap.ts';
import { presentBlocks } from '../disk-blocks.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';
import type { OnProgress } from '../store/store-types.ts';
import { validateState } from '../validate-state.ts';
import type { ExportReport } from './export.ts';
import { writeSparse } from './sparse-file.ts';

/** Pages read of a checkpoint at once, and bytes of an image. */
const CHUNK_PAGES = 64;
const PIECE_BYTES = 2 ** 20;

/**
 * Writes disk `index` of a checkpoint as a file of its size; zeros are holes where the image has holes. `image`: where the
 * image is now. Throws CheckpointError, DiskError, and UsageError for a disk that the checkpoint does not have.
 */
export function exportDisk(
  checkpoint: Checkpoint,
  index: number,
  path: string,
  { image: place, onProgress }: { image?: string; onProgress?: OnProgress } = {},
): ExportReport {
  const disks = validateState(checkpoint.config).description.disks ?? [];
  const disk = disks[index];
  if (!disk) throw new UsageError(`the checkpoint has no disk ${index}: it has ${disks.length}, the first is disk 0`);
  using image = DiskImage.open(place ?? disk.path);
  checkDigest(image, disk);
  const { bytes } = disk;
  const { base } = overlayLayout(index, bytes);
  let dataBytes = 0;
  writeSparse(path, bytes, (file) => {
    const write = (at: number, content: Uint8Array) => {
      const part = content.subarray(0, Math.max(0, bytes - at));
      file.write(at, part);
      dataBytes += part.length;
    };
    const piece = new Uint8Array(PIECE_BYTES);
    for (const [start, end] of dataRuns(image.fd, bytes)) {
      for (let at = start; at < end; at += PIECE_BYTES) {
        const part = piece.subarray(0, Math.min(PIECE_BYTES, end - at));
        readImageAt(image.fd, bytes, at, part);
        write(at, part);
        onProgress?.(at + part.length, bytes);
      }
    }
    const pages = new Uint8Array(CHUNK_PAGES * PAGE_SIZE);
    for (const { first, count } of presentBlocks(checkpoint, index, bytes)) {
      for (let done = 0; done < count; done += CHUNK_PAGES) {
        const some = Math.min(CHUNK_PAGES, count - done);
        const at = (first + done) * PAGE_SIZE;
        checkpoint.readPages(
          Array.from({ length: some }, (_, i) => base + at + i * PAGE_SIZE),
          pages,
        );
        write(at, pages.subarray(0, some * PAGE_SIZE));
      }
    }
    image.checkUnchanged();
  });
  return { path, bytes, dataBytes, remarks: [] };
}
