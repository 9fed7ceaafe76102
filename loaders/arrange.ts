/**
 * Finds room in guest RAM for what a boot protocol adds to an image: information structures, command lines, modules.
 * Nothing is placed over a segment, outside the memory map's RAM, or in the first 64 KiB, which is left to the machine
 * (descriptor tables, page tables) and to guests that load there.
 */
import { LoadError } from '../src/errors.ts';
import { HOLE_END, HOLE_START, type RamRange } from '../src/memory/layout.ts';
import { findRoom as findFree, merged, type RoomRequest } from '../src/memory/room.ts';
import { alignUp, FOUR_GIB, hex, MIB, PAGE_SIZE, size as sizeText } from './bytes.ts';
import type { LoadOptions, MemoryRange, Reservation, Segment } from './image.ts';

/** A part of low memory, and whether its highest or its lowest place is taken. */
type Area = Pick<RoomRequest, 'from' | 'to' | 'top'>;

/** Low memory above what the machine uses and below the first stack's end. */
export const LOW_AREA = { from: 0x1_0000, to: 0x9_f000 } as const;

/**
 * Just under 640 KiB: between the first stack's end and the EBDA, else below the 32 KiB that are left to that stack. Kernels
 * keep their first stacks and tables in lower memory without a look at what is there.
 */
const UNDER_640K: readonly Area[] = [
  { from: LOW_AREA.to, to: 0x9_fc00 },
  { from: LOW_AREA.from, to: LOW_AREA.to - 0x8000, top: true },
];

/** What is to be placed and where it may go: by default below 4 GiB. */
export interface Request extends Omit<RoomRequest, 'to'> {
  readonly name: string;
  readonly to?: number;
}

/** The usable RAM of a memory map. */
export function usableRam(map: readonly MemoryRange[]): RamRange[] {
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
  { to = FOUR_GIB, ...request }: Request,
): number | undefined {
  const busy = taken.map((t) => ({ base: t.gpa, size: lengthOf(t) }));
  return findFree(usableRam(map), busy, { ...request, to });
}

/** An address for the request. Throws LoadError NO_ROOM that says how much memory is enough. */
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

/** An address for boot information: in the first of `areas` where it fits, else above everything below 4 GiB. */
export function informationRoom(
  map: readonly MemoryRange[],
  taken: readonly (Segment | Reservation)[],
  request: Omit<Request, 'from' | 'to' | 'top'>,
  areas: readonly Area[] = UNDER_640K,
): number {
  for (const area of areas) {
    const found = findRoom(map, taken, { ...request, ...area });
    if (found !== undefined) return found;
  }
  return room(map, taken, { ...request, from: Math.max(MIB, endOf(taken)) });
}

/** More RAM than a test guest gets: a higher address is virtual, or wrong. */
const PLAUSIBLE = 2 ** 40;

/** One sentence: which `--mem` is enough, or why none is. RAM above 3 GiB lies from 4 GiB up. */
export function memoryCure(gpa: number, end: number): string {
  if (end > PLAUSIBLE) return 'no guest has that much RAM: link the image at a lower address, or try the other --place';
  if (end <= HOLE_START) return `give the guest at least ${Math.ceil(end / MIB)} MiB with --mem`;
  if (gpa < HOLE_END)
    return `the device window ${hex(HOLE_START)}-${hex(HOLE_END)} is never RAM: link the image elsewhere`;
  return `give the guest at least ${Math.ceil((end - (HOLE_END - HOLE_START)) / MIB)} MiB with --mem`;
}

/** One segment for each of `options.modules`, in order: page-aligned above the kernel, below 4 GiB. Throws LoadError NO_ROOM. */
export function placeModules(kernel: readonly (Segment | Reservation)[], options: LoadOptions): Segment[] {
  const placed: Segment[] = [];
  for (const { name, bytes } of options.modules ?? []) {
    const label = `module ${name}`;
    const taken = [...kernel, ...placed];
    const gpa = room(options.memoryMap, taken, {
      name: label,
      size: bytes.length,
      align: PAGE_SIZE,
      from: Math.max(MIB, alignUp(endOf(taken), PAGE_SIZE)),
      to: FOUR_GIB,
    });
    placed.push({ gpa, bytes, memSize: bytes.length, name: label });
  }
  return placed;
}
