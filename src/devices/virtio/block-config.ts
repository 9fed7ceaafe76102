/** What the block device says of itself, and the bounds that it sets: virtio 1.2, 5.2.4. */
import { SECTOR_BYTES } from '../../disk/limits.ts';
import type { BlockDisk } from '../queue-host.ts';

/** Bytes of a buffer and buffers of a request, at most: together they bound what one request costs. */
const SIZE_MAX = 2 ** 17;
const SEG_MAX = 254;
/** Bytes of data that one request moves at most. */
export const MAX_REQUEST_BYTES = SIZE_MAX * SEG_MAX;
/** Sectors of a range to discard or zero: 128 MiB. */
export const MAX_RANGE_SECTORS = 2 ** 18;
/** Ranges of one request to discard or zero. */
export const MAX_RANGES = 16;
/** Physical blocks have 4 KiB, as 2 to the power of this many sectors. */
const PHYSICAL_EXPONENT = 3;

/** The configuration space (5.2.4). */
export function configSpace({ bytes }: BlockDisk): Uint8Array {
  const config = new Uint8Array(60);
  const view = new DataView(config.buffer);
  view.setBigUint64(0, BigInt(bytes / SECTOR_BYTES), true); // capacity
  view.setUint32(8, SIZE_MAX, true);
  view.setUint32(12, SEG_MAX, true);
  view.setUint32(20, SECTOR_BYTES, true); // blk_size
  view.setUint8(24, PHYSICAL_EXPONENT);
  view.setUint16(26, 2 ** PHYSICAL_EXPONENT, true); // min_io_size
  view.setUint32(36, MAX_RANGE_SECTORS, true); // max_discard_sectors
  view.setUint32(40, MAX_RANGES, true);
  view.setUint32(44, 2 ** PHYSICAL_EXPONENT, true); // discard_sector_alignment
  view.setUint32(48, MAX_RANGE_SECTORS, true); // max_write_zeroes_sectors
  view.setUint32(52, MAX_RANGES, true);
  view.setUint8(56, 1); // write_zeroes_may_unmap
  return config;
}
