/**
 * What a vCPU looked like when its run ended, as plain data. It is collected in the vCPU's thread, which alone may ask
 * the vCPU, and explained wherever there is somebody to read it.
 */

import { EMULATION_FAILURE_FLAGS, Exit } from '../../abi/exits.ts';
import { PAGE_SIZE } from '../../abi/numbers.ts';
import { EFER } from '../../abi/registers.ts';
import { plain } from '../../abi/struct.ts';
import { KvmRunEmulationFailure, KvmRunInternal, RUN_EXIT_OFFSET } from '../../abi/structs.ts';
import { type KvmBackend, kvmBackend } from '../../kvm/backend.ts';
import { type CodeMode, codeMode, linearRip } from '../../kvm/mode.ts';
import type { RunArea } from '../../kvm/run-area.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';
import type { GuestMemory } from '../../memory/guest-memory.ts';
import { type PageWalk, walkPages } from '../../memory/page-walk.ts';
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
  /** Outside the table's limit, unreadable, not present, or there. */
  readonly state: 'beyond limit' | 'unmapped' | 'not present' | 'present';
}

/** Everything {@link explainFault} needs. Structured-clone safe. */
export interface FaultData {
  readonly end: RunEnd;
  readonly vcpu: number;
  readonly kvm: KvmBackend;
  readonly mode: CodeMode;
  readonly regs: RegsData;
  readonly sregs: SregsData;
  /** Bytes at RIP, as far as they are mapped to RAM; from ROM, those of an instruction KVM failed on. */
  readonly code: Uint8Array;
  /** Page walks for the linear addresses of RIP, the stack pointer, the IDT, and CR2 (a page fault's address). */
  readonly walks: Readonly<Record<'rip' | 'stack' | 'idt' | 'cr2', PageWalk>>;
  /** Gates of the exceptions that a fault passes through on its way to a triple fault. */
  readonly gates: readonly GateData[];
  /** After an internal error: what KVM said of it. */
  readonly internal?: {
    readonly suberror: number;
    readonly words: readonly bigint[];
    readonly instruction?: Uint8Array;
  };
}

/** Bytes at RIP to keep: enough for several instructions. */
const CODE_BYTES = 64;
const PAGE = BigInt(PAGE_SIZE);
const GATE_PRESENT = 0x80;
/** #UD, #DF, #GP, #PF. */
const GATES = [6, 8, 13, 14];

/** Collects the state of `vcpu`, whose last KVM_RUN ended with `end`. Call it in the vCPU's thread. */
export function collectFault(vcpu: Vcpu, memory: GuestMemory, end: RunEnd): FaultData {
  const regs = plain(vcpu.getRegs()) as RegsData & { rip: bigint; rsp: bigint; rflags: bigint };
  const sregs = plain(vcpu.getSregs()) as SregsData;
  const mode = codeMode(sregs, regs.rflags);
  const walk = (linear: bigint) => walkPages(sregs, linear, (gpa, width) => entryAt(memory, gpa, width));
  const read = (linear: bigint, length: number) => readLinear(memory, walk, linear, length);
  const rip = linearRip(sregs, mode, regs.rip);
  const stack = mode.bits === 64 ? regs.rsp : BigInt.asUintN(32, sregs.ss.base + regs.rsp);
  const { reason, value, detail } = end;
  const internal = internalError(vcpu.area, end);
  const ram = read(rip, CODE_BYTES);
  return {
    end: { reason, ...(value !== undefined && { value }), ...(detail && { detail }) },
    vcpu: vcpu.id,
    kvm: kvmBackend(),
    mode,
    regs,
    sregs,
    code: ram.length > 0 ? ram : (internal?.instruction ?? ram),
    walks: { rip: walk(rip), stack: walk(stack), idt: walk(sregs.idt.base), cr2: walk(sregs.cr2) },
    gates: mode.name === 'real' ? [] : GATES.map((vector) => gate(sregs, vector, read)),
    ...(internal && { internal }),
  };
}

function entryAt(memory: GuestMemory, gpa: number, width: 4 | 8): bigint | undefined {
  return memory.find(gpa, width) ? memory.readUint(gpa, width) : undefined;
}

function readLinear(
  memory: GuestMemory,
  walk: (linear: bigint) => PageWalk,
  linear: bigint,
  length: number,
): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let done = 0; done < length; ) {
    const at = linear + BigInt(done);
    const span = Math.min(length - done, Number(PAGE - (at % PAGE)));
    const { physical } = walk(at);
    if (physical === undefined || !memory.find(physical, span)) break;
    pieces.push(memory.read(physical, span));
    done += span;
  }
  return Uint8Array.from(Buffer.concat(pieces));
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
  const failure = KvmRunEmulationFailure.over(area.bytes, RUN_EXIT_OFFSET);
  const hasBytes =
    suberror === 1 && ndata >= 3 && (failure.flags & BigInt(EMULATION_FAILURE_FLAGS.INSTRUCTION_BYTES)) !== 0n;
  return {
    suberror,
    words: [...data].slice(0, ndata),
    ...(hasBytes && { instruction: failure.insn_bytes.slice(0, failure.insn_size) }),
  };
}
