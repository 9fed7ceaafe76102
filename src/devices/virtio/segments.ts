/** Buffers of a chain as one run of bytes, wherever the driver has cut it. */
import type { GuestRam } from '../queue-host.ts';
import type { Segment } from './queue.ts';

/** Bytes of all segments. */
export const lengthOf = (segments: readonly Segment[]) => segments.reduce((sum, { length }) => sum + length, 0);

/** The first `length` bytes of the segments, or all, and the rest. */
export function split(segments: readonly Segment[], length: number): [Segment[], Segment[]] {
  const [before, after]: [Segment[], Segment[]] = [[], []];
  let left = length;
  for (const { gpa, length: size } of segments) {
    const taken = Math.min(left, size);
    if (taken > 0) before.push({ gpa, length: taken });
    if (taken < size) after.push({ gpa: gpa + taken, length: size - taken });
    left -= taken;
  }
  return [before, after];
}

/** A copy of what the segments hold. */
export function gather(ram: GuestRam, segments: readonly Segment[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(lengthOf(segments));
  let at = 0;
  for (const { gpa, length } of segments) {
    ram.readInto(gpa, bytes.subarray(at, at + length));
    at += length;
  }
  return bytes;
}

/** Writes as many bytes as the segments have room for. */
export function scatter(ram: GuestRam, segments: readonly Segment[], bytes: Uint8Array): void {
  let at = 0;
  for (const { gpa, length } of segments) {
    ram.write(gpa, bytes.subarray(at, at + length));
    at += length;
  }
}
