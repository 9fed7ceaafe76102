/**
 * Walks the guest's own page tables (SDM volume 3, chapter 5), of a live guest or of a checkpoint, through a function that
 * reads entries. KVM_TRANSLATE returns only whether an address is mapped; a walk also returns the entry where it ended.
 */
import { PAGE_SIZE } from '../abi/numbers.ts';
import { CR0, CR3_BASE_MASK, CR4, EFER } from '../abi/registers.ts';

/** The control registers that choose the paging mode. */
export interface PagingRegisters {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

/** One entry of a walk. */
interface WalkStep {
  /** Table it is in: PML5, PML4, PDPT, PD, PT. */
  readonly table: string;
  readonly index: number;
  readonly entry: bigint;
}

/** The walk for a linear address. Plain data. */
export interface PageWalk {
  readonly linear: bigint;
  readonly steps: readonly WalkStep[];
  /** Guest-physical address; absent when the walk ended early. */
  readonly physical?: number;
  /** Why it ended early. */
  readonly failure?: 'not canonical' | 'above 4 GiB' | 'not present' | 'table outside RAM';
}

interface Level {
  readonly table: string;
  readonly shift: bigint;
  readonly indexBits: bigint;
  /** Whether bit 7 of an entry ends the walk with a large page. */
  readonly large: boolean;
}

interface Format {
  readonly levels: readonly Level[];
  readonly entryBytes: 4 | 8;
  readonly rootMask: bigint;
}

const PRESENT = 1n;
const LARGE = 1n << 7n;
const FRAME = CR3_BASE_MASK;

const PT: Level = { table: 'PT', shift: 12n, indexBits: 9n, large: false };
const PD: Level = { table: 'PD', shift: 21n, indexBits: 9n, large: true };
const PDPT: Level = { table: 'PDPT', shift: 30n, indexBits: 9n, large: true };
const PML4: Level = { table: 'PML4', shift: 39n, indexBits: 9n, large: false };
const PML5: Level = { table: 'PML5', shift: 48n, indexBits: 9n, large: false };

const FOUR_LEVELS: Format = { levels: [PML4, PDPT, PD, PT], entryBytes: 8, rootMask: FRAME };
const FIVE_LEVELS: Format = { ...FOUR_LEVELS, levels: [PML5, ...FOUR_LEVELS.levels] };
const PAE: Format = {
  levels: [{ ...PDPT, indexBits: 2n, large: false }, PD, PT],
  entryBytes: 8,
  rootMask: 0xffff_ffe0n,
};
const legacy = (large: boolean): Format => ({
  levels: [
    { table: 'PD', shift: 22n, indexBits: 10n, large },
    { table: 'PT', shift: 12n, indexBits: 10n, large: false },
  ],
  entryBytes: 4,
  rootMask: 0xffff_f000n,
});

function formatOf({ cr4, efer }: PagingRegisters): Format {
  if (efer & EFER.LMA) return cr4 & CR4.LA57 ? FIVE_LEVELS : FOUR_LEVELS;
  return cr4 & CR4.PAE ? PAE : legacy((cr4 & CR4.PSE) !== 0n);
}

/** Reads a little-endian table entry at a guest-physical address; undefined outside RAM. */
export type ReadEntry = (gpa: number, width: 4 | 8) => bigint | undefined;

/** Whether paging is on. */
export const isPaged = ({ cr0 }: PagingRegisters): boolean => (cr0 & CR0.PG) !== 0n;

/** Walks the page tables for a linear address. */
export function walkPages(registers: PagingRegisters, linear: bigint, read: ReadEntry): PageWalk {
  if (!isPaged(registers)) {
    if (linear >> 32n) return { linear, steps: [], failure: 'above 4 GiB' };
    return { linear, steps: [], physical: Number(linear) };
  }
  const { levels, entryBytes, rootMask } = formatOf(registers);
  if (canonical(levels, linear) !== linear) {
    return { linear, steps: [], failure: addressBits(levels) > 32 ? 'not canonical' : 'above 4 GiB' };
  }
  const steps: WalkStep[] = [];
  let base = registers.cr3 & rootMask;
  for (const { table, shift, indexBits, large } of levels) {
    const index = Number(BigInt.asUintN(Number(indexBits), linear >> shift));
    const entry = read(Number(base) + index * entryBytes, entryBytes);
    if (entry === undefined) return { linear, steps, failure: 'table outside RAM' };
    steps.push({ table, index, entry });
    if ((entry & PRESENT) === 0n) return { linear, steps, failure: 'not present' };
    base = entry & FRAME;
    if (large && entry & LARGE) {
      const frame = largeFrame(entry, shift, entryBytes);
      return { linear, steps, physical: Number(frame | BigInt.asUintN(Number(shift), linear)) };
    }
  }
  return { linear, steps, physical: Number(base | (linear & 0xfffn)) };
}

const addressBits = (levels: readonly Level[]): number => Number(levels[0]!.shift + levels[0]!.indexBits);

/** The address with canonical upper bits: zero in 32-bit modes, otherwise copies of the top bit. */
function canonical(levels: readonly Level[], linear: bigint): bigint {
  const bits = addressBits(levels);
  return bits > 32 ? BigInt.asUintN(64, BigInt.asIntN(bits, linear)) : BigInt.asUintN(32, linear);
}

/** A 4 MiB page of 32-bit paging keeps bits 32 to 39 of its address in bits 13 to 20 of the entry. */
const largeFrame = (entry: bigint, shift: bigint, entryBytes: 4 | 8): bigint =>
  entryBytes === 4 ? (entry & 0xffc0_0000n) | (((entry >> 13n) & 0xffn) << 32n) : ((entry & FRAME) >> shift) << shift;

/** A range of linear addresses that is mapped to one range of guest-physical addresses. `size` in bytes. */
export interface LinearMapping {
  readonly linear: bigint;
  readonly physical: number;
  readonly size: number;
}

/**
 * Lists what the page tables map, ascending by linear address, adjacent ranges joined: at most `most` ranges, from at most
 * `budget` entries, because tables that point at each other map more than can be listed. `complete`: the list has all.
 */
export function listMappings(
  registers: PagingRegisters,
  read: ReadEntry,
  most = Number.POSITIVE_INFINITY,
  budget = 2 ** 22,
): { readonly mappings: readonly LinearMapping[]; readonly complete: boolean } {
  const { levels, entryBytes, rootMask } = formatOf(registers);
  const mappings: { linear: bigint; physical: number; size: number }[] = [];
  let complete = true;
  const add = (linear: bigint, physical: number, size: number) => {
    const last = mappings.at(-1);
    const follows = last && last.linear + BigInt(last.size) === linear && last.physical + last.size === physical;
    if (follows) last.size += size;
    else if (mappings.length === most) complete = false;
    else mappings.push({ linear, physical, size });
  };
  const list = (depth: number, table: bigint, from: bigint) => {
    const { shift, indexBits, large } = levels[depth]!;
    for (let index = 0; index < 2 ** Number(indexBits) && complete; index++) {
      complete = budget-- > 0;
      const entry = read(Number(table) + index * entryBytes, entryBytes);
      if (entry === undefined) return;
      if (!(entry & PRESENT)) continue;
      const linear = canonical(levels, from | (BigInt(index) << shift));
      const isLarge = large && (entry & LARGE) !== 0n;
      if (isLarge) add(linear, Number(largeFrame(entry, shift, entryBytes)), 2 ** Number(shift));
      else if (shift === PT.shift) add(linear, Number(entry & FRAME), 2 ** Number(shift));
      else list(depth + 1, entry & FRAME, linear);
    }
  };
  list(0, registers.cr3 & rootMask, 0n);
  return { mappings, complete };
}

/** Guest-physical address of a linear one; undefined if it is not mapped. */
export type Translate = (linear: bigint) => number | undefined;

/** Cuts `length` bytes at a linear address into pieces within a page. Stops at the first page that is not mapped. */
export function* linearPieces(linear: bigint, length: number, translate: Translate) {
  for (let at = 0; at < length; ) {
    const start = linear + BigInt(at);
    const size = Math.min(length - at, PAGE_SIZE - Number(start % BigInt(PAGE_SIZE)));
    const gpa = translate(start);
    if (gpa === undefined) return;
    yield { gpa, at, size };
    at += size;
  }
}

/** Copies guest-physical memory into `target`; false, and nothing copied, where any of it cannot be read. */
export type ReadPhysical = (gpa: number, target: Uint8Array) => boolean;

/** Reads `length` bytes at a linear address; fewer if what follows is not mapped to what `read` can read. */
export function readLinear(read: ReadPhysical, linear: bigint, length: number, translate: Translate): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  for (const { gpa, at, size } of linearPieces(linear, length, translate)) {
    if (!read(gpa, bytes.subarray(at, at + size))) break;
    done = at + size;
  }
  return bytes.slice(0, done);
}

/** Where a walk ended, for people: "PML4[3] is not present". */
export function describeWalk({ steps, physical, failure }: PageWalk): string {
  if (physical !== undefined) return `mapped to guest-physical 0x${physical.toString(16)}`;
  if (failure === 'not canonical') return 'not a canonical address';
  if (failure === 'above 4 GiB') return 'above 4 GiB, where this mode has no addresses';
  const last = steps.at(-1);
  if (failure === 'table outside RAM') {
    return last ? `${last.table}[${last.index}] points outside RAM` : 'CR3 points outside RAM';
  }
  return `not mapped: ${last!.table}[${last!.index}] is not present`;
}
