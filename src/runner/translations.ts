/**
 * Drops translations of addresses whose page tables are replaced. A rollback writes guest memory, page tables included.
 * KVM and the processor still hold translations that were made from the old tables; with these the guest would read and
 * write other memory than it has mapped.
 *
 * - Processors keep translations in the TLB, tagged by machine; KVM flushes it where a control register changes.
 * - KVM that translates by shadow page tables (docs/kvm-kinds.md), and any KVM for a guest in a guest, keeps tables of
 *   its own. It follows writes by the guest, not those of user space; deleting a memory slot makes it drop them all.
 */
import { PAGE_SIZE } from '../abi/numbers.ts';
import { usesShadowPaging } from '../kvm/backend.ts';
import type { VcpuStateCaps } from '../kvm/state/vcpu-state-caps.ts';
import { StatCounter } from '../kvm/stats.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Machine } from '../machine/machine.ts';

/** Drops a vCPU's translations. Call it in the vCPU's thread, while no vCPU runs, and load the registers afterwards. */
export interface Translations extends Disposable {
  /** `nested`: a load has put the vCPU into a guest of its own before. Throws KvmError. */
  drop(nested: boolean): void;
}

/** How it is done on this host. Throws KvmError. */
export function translationsOf(machine: Machine, vcpu: Vcpu, { nestedBytes }: VcpuStateCaps): Translations {
  const dropShadowPages = shadowDropper(machine, vcpu.id);
  // the shadow page tables are the machine's: one vCPU drops them for all
  if (usesShadowPaging()) return { drop: vcpu.id === 0 ? dropShadowPages : () => {}, [Symbol.dispose]() {} };
  const runs = nestedBytes > 0 ? nestedRuns(machine, vcpu) : undefined;
  return {
    drop(nested) {
      if (nested || (runs && runs.read() > 0n)) dropShadowPages();
      else flushTlb(vcpu);
    },
    [Symbol.dispose]: () => runs?.[Symbol.dispose]?.(),
  };
}

/** Address of the slots that are added and deleted again: one page for each vCPU, in the hole below 4 GiB. */
const PASSING_SLOTS = 0xfd00_0000;

/**
 * Returns a function that makes KVM drop every shadow page table of the machine, by adding and deleting a memory slot. Call
 * it while no vCPU runs; threads that call it at the same time give different numbers as `vcpu`. It throws KvmError.
 */
export function shadowDropper({ vm, memory }: Machine, vcpu: number): () => void {
  let slots: number | undefined;
  return () => {
    slots ??= vm.checkExtension('KVM_CAP_NR_MEMSLOTS');
    const { mapping } = memory.regions[0]!;
    const passing = { slot: slots - 1 - vcpu, flags: 0, gpa: PASSING_SLOTS + vcpu * PAGE_SIZE, mapping };
    vm.setUserMemoryRegion({ ...passing, size: PAGE_SIZE });
    vm.setUserMemoryRegion({ ...passing, size: 0 });
  };
}

/** Counts how often the vCPU has entered a guest of its own. Kernels before 5.14 have no statistics: 1 stands for it. */
function nestedRuns({ kvm }: Machine, vcpu: Vcpu): Pick<StatCounter, 'read'> & Partial<Disposable> {
  const hasStats = kvm.checkExtension('KVM_CAP_BINARY_STATS_FD') > 0;
  return (hasStats ? StatCounter.open(vcpu.fd, 'nested_run') : undefined) ?? { read: () => 1n };
}

const CR3_FIRST_FRAME = 0x1000n;

/** KVM_SET_SREGS with another CR3 flushes what the processor keeps for this vCPU (__set_sregs in arch/x86/kvm/x86.c). */
function flushTlb(vcpu: Vcpu): void {
  const sregs = vcpu.getSregs();
  sregs.cr3 ^= CR3_FIRST_FRAME;
  vcpu.setSregs(sregs);
}
