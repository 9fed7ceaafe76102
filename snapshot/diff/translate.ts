/**
 * Linear addresses to guest-physical ones through a checkpoint's own page tables (SDM volume 3, chapter 5): no paging,
 * 32-bit, PAE, 4-level and 5-level.
 */
import { CR0, CR4, EFER } from '../../src/abi/registers.ts';
import { KvmSregs } from '../../src/abi/structs.ts';
import type { MachineState } from '../machine-state.ts';
import { PAGE_SIZE } from '../store/format/limits.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';

/** The guest-physical address behind a linear one; undefined where nothing is mapped. */
export type Translate = (linear: bigint) => number | undefined;

/** One level of tables: which bits of the linear address index it, and whether an entry may map a page itself. */
interface Level {
  readonly shift: bigint;
  readonly indexBits: bigint;
  readonly large: boolean;
}

interface Mode {
  readonly levels: readonly Level[];
  readonly entryBytes: 4 | 8;
  readonly rootMask: bigint;
}

const PRESENT = 1n;
const LARGE = 0x80n;
const FRAME = 0x000f_ffff_ffff_f000n;
const level = (shift: number, large: boolean, indexBits = 9): Level => ({
  shift: BigInt(shift),
  indexBits: BigInt(indexBits),
  large,
});

const LONG = [level(39, false), level(30, true), level(21, true), level(12, false)];
const MODES = {
  long4: { levels: LONG, entryBytes: 8, rootMask: FRAME },
  long5: { levels: [level(48, false), ...LONG], entryBytes: 8, rootMask: FRAME },
  pae: { levels: [level(30, false, 2), level(21, true), level(12, false)], entryBytes: 8, rootMask: 0xffff_ffe0n },
  legacy: { levels: [level(22, true, 10), level(12, false, 10)], entryBytes: 4, rootMask: 0xffff_f000n },
} as const satisfies Record<string, Mode>;

function modeOf(cr4: bigint, efer: bigint): Mode {
  if (efer & EFER.LMA) return cr4 & CR4.LA57 ? MODES.long5 : MODES.long4;
  return cr4 & CR4.PAE ? MODES.pae : MODES.legacy;
}

/** The translation that vCPU 0 uses. Page tables are read as they are needed, each once. */
export function translationOf(checkpoint: Checkpoint, state: MachineState): Translate {
  const bytes = state.vcpus[0]?.sregs2 ?? state.vcpus[0]?.sregs;
  if (!bytes || bytes.length < KvmSregs.size) return identity;
  const { cr0, cr3, cr4, efer } = KvmSregs.over(bytes);
  if (!(cr0 & CR0.PG)) return identity;
  const mode = modeOf(cr4, efer);
  const tables = tableReader(checkpoint, mode.entryBytes);
  return (linear) => walk(mode, cr3 & mode.rootMask, tables, linear);
}

const identity: Translate = (linear) => (linear < 1n << 52n ? Number(linear) : undefined);

type ReadEntry = (gpa: bigint) => bigint;

function walk({ levels, entryBytes }: Mode, root: bigint, read: ReadEntry, linear: bigint): number | undefined {
  let table = root;
  for (const [i, { shift, indexBits, large }] of levels.entries()) {
    const index = (linear >> shift) & ((1n << indexBits) - 1n);
    const entry = read(table + index * BigInt(entryBytes));
    if (!(entry & PRESENT)) return undefined;
    const last = i === levels.length - 1;
    if (!last && !(large && entry & LARGE)) {
      table = entry & FRAME;
      continue;
    }
    const within = (1n << shift) - 1n;
    return Number((entry & FRAME & ~within) | (linear & within));
  }
  return undefined;
}

/** Reads entries of tables; a table page that was read is kept. */
function tableReader(checkpoint: Checkpoint, entryBytes: 4 | 8): ReadEntry {
  const pages = new Map<number, DataView>();
  return (gpa) => {
    const address = Number(gpa);
    const page = address - (address % PAGE_SIZE);
    let view = pages.get(page);
    if (!view) {
      const bytes = new Uint8Array(PAGE_SIZE);
      checkpoint.readPages([page], bytes);
      view = new DataView(bytes.buffer);
      pages.set(page, view);
    }
    const at = address - page;
    return entryBytes === 8 ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  };
}

/**
 * The way back, for the pages that symbols lie in: guest-physical page address -> linear page address. Symbols cover
 * few pages, so this asks for each of them once instead of walking all tables.
 */
export function symbolPages(
  symbols: readonly { readonly address: bigint; readonly size: number }[],
  translate: Translate,
): Map<number, bigint> {
  const back = new Map<number, bigint>();
  let done = -1n;
  let budget = MAX_SYMBOL_PAGES;
  for (const { address, size } of symbols) {
    const end = address + BigInt(Math.max(1, size));
    const first = address & ~0xfffn;
    for (let page = first > done ? first : done + 4096n; page < end && budget > 0; page += 4096n) {
      done = page;
      budget--;
      const gpa = translate(page);
      if (gpa !== undefined && !back.has(gpa)) back.set(gpa, page);
    }
  }
  return back;
}

/** 4 GiB of symbols: whatever claims more is not believed. */
const MAX_SYMBOL_PAGES = 2 ** 20;
