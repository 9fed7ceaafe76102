/**
 * A walk through the guest's own page tables, entry by entry (SDM volume 3, chapter 5). KVM_TRANSLATE says only whether
 * an address is mapped; this says where the way ended.
 */

/** The control registers that choose the paging mode. */
export interface PagingRegisters {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

/** One entry looked at. */
export interface WalkStep {
  /** Table it is in: PML5, PML4, PDPT, PD, PT. */
  readonly table: string;
  readonly index: number;
  readonly entry: bigint;
}

/** What became of a linear address. Plain data. */
export interface PageWalk {
  readonly linear: bigint;
  readonly steps: readonly WalkStep[];
  /** Guest-physical address; absent when the walk ended early. */
  readonly physical?: number;
  /** Why it ended early. */
  readonly failure?: 'not canonical' | 'not present' | 'table outside RAM';
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

const CR0_PG = 1n << 31n;
const CR4_PSE = 1n << 4n;
const CR4_PAE = 1n << 5n;
const CR4_LA57 = 1n << 12n;
const EFER_LMA = 1n << 10n;
const PRESENT = 1n;
const LARGE = 1n << 7n;
const FRAME = 0x000f_ffff_ffff_f000n;

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
  if (efer & EFER_LMA) return cr4 & CR4_LA57 ? FIVE_LEVELS : FOUR_LEVELS;
  return cr4 & CR4_PAE ? PAE : legacy((cr4 & CR4_PSE) !== 0n);
}

/** Walks for `linear`. `read` gives a little-endian table entry at a guest-physical address, or undefined outside RAM. */
export function walkPages(
  registers: PagingRegisters,
  linear: bigint,
  read: (gpa: number, width: 4 | 8) => bigint | undefined,
): PageWalk {
  if ((registers.cr0 & CR0_PG) === 0n) return { linear, steps: [], physical: Number(linear) };
  const { levels, entryBytes, rootMask } = formatOf(registers);
  const top = levels[0]!.shift + levels[0]!.indexBits;
  if (top > 32n && BigInt.asUintN(64, BigInt.asIntN(Number(top), linear)) !== linear) {
    return { linear, steps: [], failure: 'not canonical' };
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
      const frame = entryBytes === 4 ? legacyLargeFrame(entry) : (base >> shift) << shift;
      return { linear, steps, physical: Number(frame | BigInt.asUintN(Number(shift), linear)) };
    }
  }
  return { linear, steps, physical: Number(base | (linear & 0xfffn)) };
}

/** A 4 MiB page of 32-bit paging keeps bits 32 to 39 of its address in bits 13 to 20 of the entry. */
const legacyLargeFrame = (entry: bigint): bigint => (entry & 0xffc0_0000n) | (((entry >> 13n) & 0xffn) << 32n);

/** Where a walk ended, for people: "PML4[3] is not present". */
export function describeWalk({ steps, physical, failure }: PageWalk): string {
  if (physical !== undefined) return `mapped to guest-physical 0x${physical.toString(16)}`;
  if (failure === 'not canonical') return 'not a canonical address';
  const last = steps.at(-1);
  if (failure === 'table outside RAM') {
    return last ? `${last.table}[${last.index}] points outside RAM` : 'CR3 points outside RAM';
  }
  return `not mapped: ${last!.table}[${last!.index}] is not present`;
}
