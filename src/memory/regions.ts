/** The regions of a memory file: where each lies in it and in this process, and which pages the host wrote. */
import { PAGE_SIZE } from '../abi/numbers.ts';
import { Cleanup } from '../ffi/cleanup.ts';
import { Mapping, type MappingHandle } from '../ffi/mapping.ts';
import type { RamRange } from './layout.ts';
import { PageSet } from './page-set.ts';

/** A contiguous range of RAM, which is a memslot; or of memory that no guest can address. */
export interface Region extends RamRange {
  /** Number of the memslot; undefined for what is no RAM. */
  readonly slot: number | undefined;
  readonly mapping: Mapping;
  /** Byte offset of the region in the memory file. */
  readonly fileOffset: number;
  /** Pages the host wrote since they were last taken. Shared between threads. */
  readonly hostDirty: PageSet;
}

/** Data with which another thread can use a region. */
export interface RegionHandle extends Omit<Region, 'mapping' | 'hostDirty'> {
  readonly mapping: MappingHandle;
  readonly hostDirty: SharedArrayBuffer;
}

/** Plain data for {@link borrowRegion}. */
export const regionHandle = ({ mapping, hostDirty, ...region }: Region): RegionHandle => ({
  ...region,
  mapping: mapping.handle,
  hostDirty: hostDirty.buffer as SharedArrayBuffer,
});

/** A region that another thread of this process owns. */
export const borrowRegion = ({ mapping, hostDirty, ...region }: RegionHandle): Region => ({
  ...region,
  mapping: Mapping.borrow(mapping),
  hostDirty: new PageSet(region.size / PAGE_SIZE, hostDirty),
});

/** A range to be mapped, and its slot if it has one. */
export interface SlotRange extends RamRange {
  readonly slot?: number | undefined;
}

/** RAM: the ranges are slots, by their order. */
export const asSlot = (range: RamRange, slot: number): SlotRange => ({ ...range, slot });

/** Maps the ranges of a memory file, in which they follow each other. Leaves nothing mapped when it throws. */
export function mapRegions(fd: number, ranges: readonly SlotRange[], shared: boolean): Region[] {
  using made = new Cleanup();
  const regions: Region[] = [];
  let fileOffset = 0;
  for (const { base, size, slot } of ranges) {
    const mapping = made.use(Mapping.ofFile(fd, size, { shared, offset: fileOffset }));
    const pages = size / PAGE_SIZE;
    const hostDirty = new PageSet(pages, new SharedArrayBuffer(PageSet.bytes(pages)));
    regions.push({ base, size, slot, mapping, fileOffset, hostDirty });
    fileOffset += size;
  }
  made.keep();
  return regions;
}
