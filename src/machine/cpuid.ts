/**
 * What CPUID answers in the guest: what this host's KVM supports, made true for a virtual machine
 * (SDM volume 2, CPUID; Documentation/virt/kvm/x86/cpuid.rst).
 */
import type { CpuidLeaf } from '../kvm/cpuid.ts';
import { withTopology } from './topology.ts';

const HYPERVISOR = 1 << 31; // CPUID.1:ECX[31]; KVM_GET_SUPPORTED_CPUID leaves it to user space
const VMX = 1 << 5; // CPUID.1:ECX[5]
const SVM = 1 << 2; // CPUID.80000001:ECX[2]

/** The leaves for vCPU `id` of `cpus`. Applied to its own result it changes only what the two numbers say. */
export function guestCpuid(supported: readonly CpuidLeaf[], id: number, cpus: number): CpuidLeaf[] {
  return withTopology(supported, id, cpus).map((leaf) =>
    leaf.function === 1 ? { ...leaf, ecx: (leaf.ecx | HYPERVISOR) >>> 0 } : leaf,
  );
}

/** The leaves without SVM and VMX: for hosts where a guest's own guest would not be in a checkpoint. */
export function withoutNesting(leaves: readonly CpuidLeaf[]): CpuidLeaf[] {
  const hidden = new Map([
    [1, VMX],
    [0x8000_0001, SVM],
  ]);
  return leaves.map((leaf) => ({ ...leaf, ecx: (leaf.ecx & ~(hidden.get(leaf.function) ?? 0)) >>> 0 }));
}
