/** A guest's disk as bytes: what firmware and disk devices read and write, whatever lies below it. */

/**
 * A disk. Offsets and lengths are in bytes and need no alignment; what reaches past the end is an error, never cut.
 * read and write return when all is done. They throw DiskError: OUT_OF_RANGE, READ_ONLY, or errno's name.
 */
export interface Disk {
  /** Its size in bytes. Up to 2^40, so an image is never read as a whole. */
  readonly bytes: number;
  /** Whether each write throws. */
  readonly readOnly: boolean;
  /** Fills `into` from `offset` on. */
  read(offset: number, into: Uint8Array): void;
  /** Writes `bytes` at `offset`. */
  write(offset: number, bytes: Uint8Array): void;
}
