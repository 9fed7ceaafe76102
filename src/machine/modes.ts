/**
 * The CPU state at entry for each mode: segment registers with their hidden parts, control registers, descriptor
 * tables (SDM volume 3, chapters 3, 10 and 26.1.2; AMD APM volume 2, chapter 14).
 *
 * A flat GDT lies in guest memory for guests that reload their segments:
 *   0x08 32-bit code   0x10 64-bit code   0x18 data   0x20 TSS (16 bytes)
 */
import { CR0, CR4, EFER } from '../abi/registers.ts';
import type { Live } from '../abi/struct.ts';
import type { KvmSegment, KvmSregs } from '../abi/structs.ts';
import type { CpuMode, EntryState } from './entry.ts';

type Sregs = Live<typeof KvmSregs.fields>;
type Segment = Live<typeof KvmSegment.fields>;

/** Bytes of the descriptor-table page: the GDT and an empty TSS behind it. */
export const DESCRIPTOR_BYTES = 4096;

const SELECTOR = { code32: 0x08, code64: 0x10, data: 0x18, tss: 0x20 };
const TSS_OFFSET = 0x100;
const TSS_LIMIT = 0x67;
const GDT_LIMIT = 0x2f;

/** The descriptor-table page, to be written at `gpa`. */
export function descriptorTables(gpa: number): Uint8Array {
  const page = new Uint8Array(DESCRIPTOR_BYTES);
  const tss = BigInt(gpa + TSS_OFFSET);
  new BigUint64Array(page.buffer, 0, 6).set([
    0n,
    0x00cf_9b00_0000_ffffn,
    0x00af_9b00_0000_ffffn,
    0x00cf_9300_0000_ffffn,
    BigInt(TSS_LIMIT) | ((tss & 0xff_ffffn) << 16n) | (0x8bn << 40n) | (((tss >> 24n) & 0xffn) << 56n),
    tss >> 32n,
  ]);
  return page;
}

function setSegment(segment: Segment, fields: Partial<Record<keyof Segment, number>>, base = 0n): void {
  Object.assign(segment, {
    base,
    limit: 0xffff_ffff,
    present: 1,
    s: 1,
    g: 1,
    dpl: 0,
    db: 0,
    l: 0,
    avl: 0,
    unusable: 0,
    ...fields,
  });
}

const DATA_SEGMENTS = ['ds', 'es', 'fs', 'gs', 'ss'] as const;
const CODE = 0xb;
const DATA = 0x3;
const BUSY_TSS = 0xb;

function flat(sregs: Sregs, descriptors: number, long: boolean): void {
  setSegment(sregs.cs, {
    selector: long ? SELECTOR.code64 : SELECTOR.code32,
    type: CODE,
    l: long ? 1 : 0,
    db: long ? 0 : 1,
  });
  for (const name of DATA_SEGMENTS) setSegment(sregs[name], { selector: SELECTOR.data, type: DATA, db: 1 });
  const tss = { selector: SELECTOR.tss, type: BUSY_TSS, s: 0, g: 0, limit: TSS_LIMIT };
  setSegment(sregs.tr, tss, BigInt(descriptors + TSS_OFFSET));
  sregs.gdt.base = BigInt(descriptors);
  sregs.gdt.limit = GDT_LIMIT;
  sregs.idt.base = 0n;
  sregs.idt.limit = 0;
}

function real(sregs: Sregs, cs: EntryState['cs']): void {
  const segment = { limit: 0xffff, g: 0 };
  setSegment(sregs.cs, { ...segment, selector: cs?.selector ?? 0, type: CODE }, BigInt(cs?.base ?? 0));
  for (const name of DATA_SEGMENTS) setSegment(sregs[name], { ...segment, selector: 0, type: DATA });
  sregs.gdt.base = 0n;
  sregs.gdt.limit = 0xffff;
  sregs.idt.base = 0n;
  sregs.idt.limit = 0x3ff;
  sregs.cr0 = CR0.ET;
}

/** Where the machine put the tables that a mode needs. */
export interface ModeTables {
  /** Guest-physical address of the descriptor-table page. */
  readonly descriptors: number;
  /** Guest-physical address of the PML4. */
  readonly pageTables: number;
}

const APPLY: Record<CpuMode, (sregs: Sregs, tables: ModeTables, entry: EntryState) => void> = {
  real: (sregs, _tables, entry) => real(sregs, entry.cs),
  protected: (sregs, tables) => {
    flat(sregs, tables.descriptors, false);
    sregs.cr0 = CR0.PE | CR0.ET;
  },
  long: (sregs, tables) => {
    flat(sregs, tables.descriptors, true);
    sregs.cr3 = BigInt(tables.pageTables);
    sregs.cr4 = CR4.PAE;
    sregs.efer = EFER.LME | EFER.LMA;
    sregs.cr0 = CR0.PE | CR0.ET | CR0.PG;
  },
};

/** Puts the special registers into the state `entry` asks for. */
export function enterMode(sregs: Sregs, tables: ModeTables, entry: EntryState): void {
  APPLY[entry.mode](sregs, tables, entry);
}
