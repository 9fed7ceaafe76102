/**
 * Identity page tables for long mode: every guest-physical address up to the end of RAM (and at least 4 GiB, for the
 * devices) is mapped at the same linear address with 2 MiB pages, user-accessible and writable (SDM volume 3, 5.5).
 */
import { GIB, MIB, PAGE_SIZE } from '../abi/numbers.ts';
import { GuestMemoryError } from '../errors.ts';
import { HOLE_END, type RamRange } from '../memory/layout.ts';
import { findRoom as findFree } from '../memory/room.ts';

const PRESENT_WRITABLE_USER = 0b111n;
const LARGE = 1n << 7n;

/** Tables to write, and the CR3 that points to them. */
interface PageTables {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** Bytes of tables needed to map addresses below `end`: a PML4, a PDPT and a page directory for each GiB. */
export const tablesSize = (end: number): number => (2 + Math.ceil(Math.max(end, HOLE_END) / GIB)) * PAGE_SIZE;

/** Identity tables for addresses below `end` (at most 512 GiB), to lie at `gpa`. */
export function identityTables(gpa: number, end: number): PageTables {
  const bytes = new Uint8Array(tablesSize(end));
  const entries = new BigUint64Array(bytes.buffer);
  const directories = bytes.length / PAGE_SIZE - 2;
  if (directories > 512) throw new GuestMemoryError('RAM_SIZE', 'long mode entry maps at most 512 GiB of RAM');
  entries[0] = BigInt(gpa + PAGE_SIZE) | PRESENT_WRITABLE_USER;
  for (let d = 0; d < directories; d++) {
    entries[512 + d] = BigInt(gpa + (2 + d) * PAGE_SIZE) | PRESENT_WRITABLE_USER;
    for (let i = 0; i < 512; i++) {
      entries[(2 + d) * 512 + i] = BigInt(d * GIB + i * 2 ** 21) | PRESENT_WRITABLE_USER | LARGE;
    }
  }
  return { gpa, bytes };
}

const FIRST_CHOICE = 0x1000;
const LOW_END = 0x9_f000;

/**
 * Finds room for `size` bytes the image does not occupy: first in low memory, then below the top of the first range.
 * Throws GuestMemoryError when RAM is full.
 */
export function findRoom(size: number, ram: RamRange, occupied: readonly RamRange[], what: string): number {
  const request = { size, align: PAGE_SIZE };
  const found =
    findFree([ram], occupied, { ...request, from: FIRST_CHOICE, to: LOW_END }) ??
    findFree([ram], occupied, { ...request, from: MIB, to: ram.size, top: true });
  if (found !== undefined) return found;
  throw new GuestMemoryError(
    'NO_ROOM',
    `the image leaves no ${size} bytes of RAM for ${what}: give the guest more with --mem`,
  );
}
