/** Which memory an ELF core holds, and at which addresses: those that the guest itself uses. */
import { CR4, EFER } from '../../src/abi/registers.ts';
import type { VcpuState } from '../../src/kvm/state/vcpu-state.ts';
import { isPaged, listMappings, type PagingRegisters } from '../../src/memory/page-walk.ts';
import { entryReader, NO_PAGING, sregsOf } from '../page-tables.ts';
import type { Checkpoint } from '../store/memory/checkpoint.ts';

/** RAM or a ROM, guest-physical. */
export interface Extent {
  readonly gpa: number;
  readonly size: number;
}

/** A stretch of memory at its linear address: one PT_LOAD. */
export interface CoreLoad extends Extent {
  readonly linear: bigint;
}

interface CoreMemory {
  readonly loads: readonly CoreLoad[];
  /** What the core does not hold or show, a sentence each. */
  readonly remarks: readonly string[];
}

/** Most PT_LOADs of a core: e_phnum has 16 bits. */
const MAX_LOADS = 65_000;

/** 32 where no vCPU is in long mode: debuggers then expect a core of the i386. */
export const coreBits = (vcpus: readonly VcpuState[]): 32 | 64 =>
  vcpus.some((vcpu) => (pagingOf(vcpu).efer & EFER.LMA) !== 0n) ? 64 : 32;

const pagingOf = (vcpu: VcpuState | undefined): PagingRegisters => (vcpu && sregsOf(vcpu)) ?? NO_PAGING;

/** The memory by the page tables of vCPU 0, or by physical address where it does not page. */
export function coreMemory(
  checkpoint: Checkpoint,
  vcpus: readonly VcpuState[],
  extents: readonly Extent[],
): CoreMemory {
  const paging = pagingOf(vcpus[0]);
  const remarks = [...otherTables(vcpus), ...segmentBases(vcpus)];
  if (!isPaged(paging)) return { loads: extents.map((e) => ({ ...e, linear: BigInt(e.gpa) })), remarks };
  const { mappings, complete } = listMappings(paging, entryReader(checkpoint), MAX_LOADS);
  const mapped = mappings.flatMap(({ linear, physical, size }) =>
    extents.flatMap(({ gpa, size: length }): CoreLoad[] => {
      const from = Math.max(gpa, physical);
      const to = Math.min(gpa + length, physical + size);
      return to > from ? [{ linear: linear + BigInt(from - physical), gpa: from, size: to - from }] : [];
    }),
  );
  const loads = mapped.slice(0, MAX_LOADS);
  if (!complete || loads.length < mapped.length) {
    const last = loads.at(-1);
    const end = last ? last.linear + BigInt(last.size) : 0n;
    remarks.push(`the page tables map more pieces than a core can list: it ends at 0x${end.toString(16)}`);
  }
  const missing = unmapped(extents, loads);
  if (missing > 0)
    remarks.push(`${missing / 1024} KiB of memory have no linear address and are not in the core: --raw has all RAM`);
  return { loads, remarks };
}

/** Bytes of the extents that no load covers. */
function unmapped(extents: readonly Extent[], loads: readonly CoreLoad[]): number {
  let bytes = extents.reduce((sum, { size }) => sum + size, 0);
  let covered = 0;
  for (const { gpa, size } of [...loads].sort((a, b) => a.gpa - b.gpa)) {
    bytes -= Math.max(0, gpa + size - Math.max(gpa, covered));
    covered = Math.max(covered, gpa + size);
  }
  return bytes;
}

/** The bits that say how linear addresses are translated. */
function translationKey(vcpu: VcpuState | undefined): string {
  const { cr3, cr4, efer } = pagingOf(vcpu);
  return [cr3, cr4 & (CR4.PSE | CR4.PAE | CR4.LA57), efer & EFER.LMA].join();
}

function otherTables(vcpus: readonly VcpuState[]): string[] {
  const others = vcpus.flatMap((vcpu, id) =>
    isPaged(pagingOf(vcpu)) && translationKey(vcpu) !== translationKey(vcpus[0]) ? [id] : [],
  );
  if (others.length === 0) return [];
  return [`memory is at the addresses of vCPU 0; the page tables of vCPU ${others.join(', ')} are others`];
}

function segmentBases(vcpus: readonly VcpuState[]): string[] {
  return vcpus.flatMap((vcpu, id) => {
    const base = sregsOf(vcpu)?.cs.base ?? 0n;
    if (base === 0n || pagingOf(vcpu).efer & EFER.LMA) return [];
    return [`debuggers know no segments: the code of vCPU ${id} is at 0x${base.toString(16)} + $pc`];
  });
}
