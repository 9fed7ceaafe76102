/** The numbers of disks. */

/** Bytes of a sector. */
export const SECTOR_BYTES = 512;

/** Bytes of a block of the overlay: a page of a checkpoint. */
export const BASE_BLOCK_BYTES = 4096;

/** Largest disk, in bytes. */
export const MAX_DISK_BYTES = 2 ** 40;

/** Most disks of a machine. */
export const MAX_DISKS = 7;

/** Bytes of the page space that each disk has; disk N begins at (N + 1) times this, above what RAM can reach. */
export const DISK_STRIDE = 2 ** 41;
