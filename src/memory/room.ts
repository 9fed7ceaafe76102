/** Free places among ranges of guest-physical memory. Addresses and sizes in bytes. */
import type { RamRange } from './layout.ts';

/** What is to be placed and where it may go. */
export interface RoomRequest {
  readonly size: number;
  readonly align: number;
  /** Lowest first byte. */
  readonly from: number;
  /** First byte after the last one allowed. */
  readonly to: number;
  /** Highest place instead of the lowest. */
  readonly top?: boolean;
}

/** Sorts ranges and joins those that touch. */
export function merged(ranges: readonly RamRange[]): RamRange[] {
  const out: { base: number; size: number }[] = [];
  for (const { base, size } of ranges.toSorted((a, b) => a.base - b.base)) {
    const last = out.at(-1);
    if (last && base <= last.base + last.size) last.size = Math.max(last.size, base + size - last.base);
    else out.push({ base, size });
  }
  return out;
}

/** An address in `ram`, clear of `taken`; undefined when nothing fits. */
export function findRoom(
  ram: readonly RamRange[],
  taken: readonly RamRange[],
  { size, align, from, to, top }: RoomRequest,
): number | undefined {
  let best: number | undefined;
  for (const gap of gaps(merged(ram), merged(taken))) {
    const start = Math.ceil(Math.max(gap.base, from) / align) * align;
    const end = Math.min(gap.base + gap.size, to);
    if (start + size > end) continue;
    if (!top) return start;
    best = Math.floor((end - size) / align) * align;
  }
  return best;
}

/** RAM minus busy, ascending. Both sorted and disjoint. */
function* gaps(ram: readonly RamRange[], busy: readonly RamRange[]): Generator<RamRange> {
  for (const { base, size } of ram) {
    let at = base;
    const end = base + size;
    for (const b of busy) {
      if (b.base + b.size <= at || b.base >= end) continue;
      if (b.base > at) yield { base: at, size: b.base - at };
      at = Math.max(at, b.base + b.size);
    }
    if (at < end) yield { base: at, size: end - at };
  }
}
