/** Boot modules: whole files placed page-aligned above the kernel, below 4 GiB. */
import { endOf, room } from './arrange.ts';
import { alignUp, FOUR_GIB, MIB, PAGE_SIZE } from './bytes.ts';
import type { LoadOptions, Reservation, Segment } from './image.ts';

/** One segment for each of `options.modules`, in order. Throws LoadError NO_ROOM. */
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
