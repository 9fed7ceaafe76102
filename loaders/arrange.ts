/**
 * Finds room in guest RAM for what a boot protocol adds to an image: information structures, command lines, modules.
 * Nothing is placed over a segment, outside the memory map's RAM, or in the first 64 KiB, which is left to the machine
 * (descriptor tables, page tables) and to guests that load there.
 */
import { LoadError } from '../src/errors.ts';
import { alignDown, alignUp, FOUR_GIB, hex, MIB, size as sizeText } from './bytes.ts';
import type { MemoryRange, Reservation, Segment } from './image.ts';
import { memoryCure } from './memory-cure.ts';

/** Boot information goes here when it fits: above what the machine uses, below the EBDA. */
export const LOW_AREA = { from: 0x1_0000, to: 0x9_f000 } as const;

/** A stretch of guest-physical memory, bytes. */
export interface Span {
  readonly base: number;
  readonly size: number;
}

/** What is to be placed and where it may go. */
export interface Request {
  readonly name: string;
  readonly size: number;
  readonly align: number;
  /** Lowest first byte. */
  readonly from: number;
  /** First byte after the last one allowed. Default 4 GiB. */
  readonly to?: number;
  /** Highest place instead of the lowest. */
  readonly top?: boolean;
}

/** Sorts spans and joins those that touch. */
export function merged(spans: readonly Span[]): Span[] {
  const out: { base: number; size: number }[] = [];
  for (const { base, size } of spans.toSorted((a, b) => a.base - b.base)) {
    const last = out.at(-1);
    if (last && base <= last.base + last.size) last.size = Math.max(last.size, base + size - last.base);
    else out.push({ base, size });
  }
  return out;
}

/** The usable RAM of a memory map. */
export function usableRam(map: readonly MemoryRange[]): Span[] {
  return merged(map.filter((r) => r.type === 1 && r.size > 0));
}

/** True when a map that starts at 0 backs the bytes: usable RAM, or the first MiB, which is RAM to the machine. */
export function backed(map: readonly MemoryRange[], base: number, size: number): boolean {
  const ram = usableRam(map);
  const spans = ram[0]?.base === 0 ? merged([...ram, { base: 0, size: MIB }]) : ram;
  return spans.some((s) => base >= s.base && base + size <= s.base + s.size);
}

/** First byte after the last segment or reservation that lies below 4 GiB. */
export function endOf(taken: readonly (Segment | Reservation)[]): number {
  return taken.reduce((end, t) => (t.gpa < FOUR_GIB ? Math.max(end, t.gpa + lengthOf(t)) : end), 0);
}

const lengthOf = (t: Segment | Reservation): number => ('memSize' in t ? t.memSize : t.size);

/** An address for the request, or undefined when nothing fits. */
export function findRoom(
  map: readonly MemoryRange[],
  taken: readonly (Segment | Reservation)[],
  request: Request,
): number | undefined {
  const { size, align, from, to = FOUR_GIB } = request;
  const busy = merged(taken.map((t) => ({ base: t.gpa, size: lengthOf(t) })));
  let best: number | undefined;
  for (const gap of gaps(usableRam(map), busy)) {
    const start = alignUp(Math.max(gap.base, from), align);
    const end = Math.min(gap.base + gap.size, to);
    if (start + size > end) continue;
    if (!request.top) return start;
    best = alignDown(end - size, align);
  }
  return best;
}

/** RAM minus busy, ascending. Both sorted and disjoint. */
function* gaps(ram: readonly Span[], busy: readonly Span[]): Generator<Span> {
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

/** An address for the request. Throws LoadError NO_ROOM that says how much memory would do. */
export function room(map: readonly MemoryRange[], taken: readonly (Segment | Reservation)[], request: Request): number {
  const found = findRoom(map, taken, request);
  if (found !== undefined) return found;
  const { name, size, from, to = FOUR_GIB } = request;
  const start = Math.max(endOf(taken), from);
  const end = alignUp(start, request.align) + size;
  const cure = end <= to ? memoryCure(start, end) : `it has to end below ${hex(to)}: make it smaller`;
  const ram = usableRam(map).map((r) => `${hex(r.base)}-${hex(r.base + r.size)}`);
  throw new LoadError(
    'NO_ROOM',
    `${name}: no room for ${sizeText(size)} between ${hex(from)} and ${hex(to)} in RAM ${ram.join(', ') || '(none)'}; ${cure}`,
    { name, size, from, to },
  );
}

/** An address for boot information: in the low area when it fits, else above everything below 4 GiB. */
export function informationRoom(
  map: readonly MemoryRange[],
  taken: readonly (Segment | Reservation)[],
  request: Omit<Request, 'from' | 'to' | 'top'>,
): number {
  return (
    findRoom(map, taken, { ...request, ...LOW_AREA }) ??
    room(map, taken, { ...request, from: Math.max(MIB, endOf(taken)) })
  );
}
