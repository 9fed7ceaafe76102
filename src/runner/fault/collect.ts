/**
 * The state of a vCPU at the end of its run, as plain data: collected in the vCPU's thread, and explained (explain.ts) in
 * any thread.
 */

import { Exit } from '../../abi/exits.ts';
import { EFER } from '../../abi/registers.ts';
import { plain } from '../../abi/struct.ts';
import { KvmRunInternal, RUN_EXIT_OFFSET } from '../../abi/structs.ts';
import { type KvmBackend, kvmBackend } from '../../kvm/backend.ts';
import { type CodeMode, codeMode, linearRip } from '../../kvm/mode.ts';
import type { RunArea } from '../../kvm/run-area.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { type PageWalk, type ReadPhysical, readLinear, walkPages } from '../../memory/page-walk.ts';
import { failedInstruction } from '../assist.ts';
import type { RunEnd } from '../result.ts';

/** General-purpose registers, RIP and RFLAGS by name. */
export type RegsData = Readonly<Record<string, bigint>>;

/** A segment register. `limit` in bytes. */
export interface SegmentData {
  readonly base: bigint;
  readonly limit: number;
  readonly selector: number;
  readonly type: number;
  readonly present: number;
  readonly dpl: number;
  readonly db: number;
  readonly s: number;
  readonly l: number;
  readonly unusable: number;
}

/** Special registers. */
export type SregsData = Readonly<Record<'cs' | 'ds' | 'es' | 'fs' | 'gs' | 'ss' | 'tr' | 'ldt', SegmentData>> &
  Readonly<Record<'gdt' | 'idt', { readonly base: bigint; readonly limit: number }>> &
  Readonly<Record<'cr0' | 'cr2' | 'cr3' | 'cr4' | 'cr8' | 'efer' | 'apic_base', bigint>>;

/** A gate of the guest's interrupt descriptor table. */
export interface GateData {
  readonly vector: number;
  /** 'beyond limit': outside the table; 'unmapped': cannot be read. */
  readonly state: 'beyond limit' | 'unmapped' | 'not present' | 'present';
}

/** Everything {@link explainFault} needs. Structured-clone safe. */
export interface FaultData {
  readonly end: RunEnd;
  readonly vcpu: number;
  /** Whether the instruction assist was on. */
  readonly isAssisting: boolean;
  readonly kvm: KvmBackend;
  readonly mode: CodeMode;
  readonly regs: RegsData;
  readonly sregs: SregsData;
  /** Bytes at RIP that are mapped to RAM or ROM; if there are none, those of the instruction that KVM failed on. */
  readonly code: Uint8Array;
  /** Page walks for the linear addresses of RIP, the stack pointer, the IDT, and CR2 (a page fault's address). */
  readonly walks: Readonly<Record<'rip' | 'stack' | 'idt' | 'cr2', PageWalk>>;
  /** Gates of the exceptions that a fault passes through on its way to a triple fault. */
  readonly gates: readonly GateData[];
  /** After an internal error: KVM's data about it. */
  readonly internal?: {
    readonly suberror: number;
    readonly words: readonly bigint[];
    readonly instruction?: Uint8Array;
  };
}

/** Bytes at RIP to keep: enough for several instructions. */
const CODE_BYTES = 64;
const GATE_PRESENT = 0x80;
/** #UD, #DF, #GP, #PF. */
const GATES = [6, 8, 13, 14];

/** A vCPU, its machine, and whether the instruction assist is on for it. */
export interface FaultPlace {
  readonly vcpu: Vcpu;
  readonly machine: Pick<Machine, 'readPhysical'>;
  readonly isAssisting: boolean;
}

/** Collects the state of a vCPU, whose last KVM_RUN ended with `end`. Call it in the vCPU's thread. */
export function collectFault({ vcpu, machine, isAssisting }: FaultPlace, end: RunEnd): FaultData {
  const regs = plain(vcpu.getRegs()) as RegsData & { rip: bigint; rsp: bigint; rflags: bigint };
  const sregs = plain(vcpu.getSregs()) as SregsData;
  const mode = codeMode(sregs, regs.rflags);
  const physical: ReadPhysical = (gpa, target) => machine.readPhysical(gpa, target);
  const walk = (linear: bigint) => walkPages(sregs, linear, (gpa, width) => entryAt(physical, gpa, width));
  const read = (linear: bigint, length: number) => readLinear(physical, linear, length, (at) => walk(at).physical);
  const rip = linearRip(sregs, mode, regs.rip);
  const stack = mode.bits === 64 ? regs.rsp : BigInt.asUintN(32, sregs.ss.base + regs.rsp);
  const { reason, value, detail } = end;
  const internal = internalError(vcpu.area, end);
  const mapped = read(rip, CODE_BYTES);
  return {
    end: { reason, ...(value !== undefined && { value }), ...(detail && { detail }) },
    vcpu: vcpu.id,
    isAssisting,
    kvm: kvmBackend(),
    mode,
    regs,
    sregs,
    code: mapped.length > 0 ? mapped : (internal?.instruction ?? mapped),
    walks: { rip: walk(rip), stack: walk(stack), idt: walk(sregs.idt.base), cr2: walk(sregs.cr2) },
    gates: mode.name === 'real' ? [] : GATES.map((vector) => gate(sregs, vector, read)),
    ...(internal && { internal }),
  };
}

function entryAt(read: ReadPhysical, gpa: number, width: 4 | 8): bigint | undefined {
  const entry = new DataView(new ArrayBuffer(width));
  if (!read(gpa, new Uint8Array(entry.buffer))) return undefined;
  return width === 8 ? entry.getBigUint64(0, true) : BigInt(entry.getUint32(0, true));
}

function gate(
  { idt, efer }: SregsData,
  vector: number,
  read: (linear: bigint, length: number) => Uint8Array,
): GateData {
  const width = efer & EFER.LMA ? 16 : 8;
  if (idt.limit < (vector + 1) * width - 1) return { vector, state: 'beyond limit' };
  const bytes = read(idt.base + BigInt(vector * width), 8);
  if (bytes.length < 8) return { vector, state: 'unmapped' };
  return { vector, state: bytes[5]! & GATE_PRESENT ? 'present' : 'not present' };
}

function internalError(area: RunArea, end: RunEnd): FaultData['internal'] {
  if (end.reason !== 'internal-error' || area.exitReason !== Exit.INTERNAL_ERROR) return undefined;
  const { suberror, ndata, data } = KvmRunInternal.over(area.bytes, RUN_EXIT_OFFSET);
  const instruction = suberror === 1 ? failedInstruction(area)?.slice() : undefined;
  return {
    suberror,
    words: [...data].slice(0, ndata),
    ...(instruction && { instruction }),
  };
}
