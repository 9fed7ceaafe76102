/**
 * Where RAM lies in the guest-physical address space, and the memory map (e820) that the guest gets.
 *
 *   0          640 K      1 M              3 G         4 G
 *   | RAM      | VGA/BIOS | RAM            | hole      | RAM above 3 GiB, moved up |
 *
 * The hole keeps the I/O APIC (0xfec00000), the local APIC (0xfee00000), KVM's TSS pages and ROMs out of RAM. The VGA
 * and BIOS window is backed by RAM too, so that text buffers and copied ROMs work, but the map calls it reserved.
 */
import { PAGE_SIZE } from '../abi/numbers.ts';
import { GuestMemoryError } from '../errors.ts';

/** First byte of the hole below 4 GiB. */
export const HOLE_START = 0xc000_0000;
/** First byte after the hole. */
export const HOLE_END = 0x1_0000_0000;

const MIN_RAM = 2 ** 20;
const MAX_RAM = 2 ** 40;

/** A stretch of guest-physical RAM. Bytes. */
export interface RamRange {
  readonly base: number;
  readonly size: number;
}

/** E820 entry; type 1 is usable RAM, 2 reserved (ACPI specification, section 15). */
export interface E820Entry {
  readonly base: number;
  readonly size: number;
  readonly type: 1 | 2;
}

/** Splits `bytes` of RAM around the hole. Throws GuestMemoryError for sizes that are no RAM. */
export function ramRanges(bytes: number): RamRange[] {
  if (!Number.isSafeInteger(bytes) || bytes < MIN_RAM || bytes > MAX_RAM || bytes % PAGE_SIZE !== 0) {
    throw new GuestMemoryError(
      'RAM_SIZE',
      `RAM of ${bytes} bytes is not possible: give a multiple of 4 KiB from 1 MiB to 1 TiB`,
      { bytes },
    );
  }
  const low = { base: 0, size: Math.min(bytes, HOLE_START) };
  return bytes > HOLE_START ? [low, { base: HOLE_END, size: bytes - HOLE_START }] : [low];
}

const EBDA = 0x9_fc00;
/** ACPI tables lie here, and above them the MP table and a BIOS. */
const BIOS_START = 0xe_0000;

/** The memory map boot protocols pass on, ascending. */
export function e820(ranges: readonly RamRange[]): E820Entry[] {
  const [low, ...rest] = ranges;
  if (!low) return [];
  const map: E820Entry[] = [
    { base: 0, size: EBDA, type: 1 },
    { base: EBDA, size: 0xa_0000 - EBDA, type: 2 },
    { base: BIOS_START, size: MIN_RAM - BIOS_START, type: 2 },
  ];
  if (low.size > MIN_RAM) map.push({ base: MIN_RAM, size: low.size - MIN_RAM, type: 1 });
  return [...map, ...rest.map((r) => ({ ...r, type: 1 as const }))];
}
