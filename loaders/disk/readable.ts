import type { Disk } from '../../src/disk/disk.ts';

/** What loading needs of a disk: to read it. */
export type ReadableDisk = Pick<Disk, 'bytes' | 'read'>;

/** A disk image that is in memory. Reads stay inside it. */
export const bytesDisk = (image: Uint8Array): ReadableDisk => ({
  bytes: image.length,
  read: (offset, into) => into.set(image.subarray(offset, offset + into.length)),
});
