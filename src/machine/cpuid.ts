/**
 * What CPUID answers in the guest: what this host's KVM supports, made true for a virtual machine
 * (SDM volume 2, CPUID; Documentation/virt/kvm/x86/cpuid.rst).
 */
import { CpuidFeature } from '../abi/cpuid.ts';
import type { CpuidLeaf } from '../kvm/cpuid.ts';
import type { Kvm } from '../kvm/kvm.ts';
import { withTopology } from './topology.ts';

const mask = ({ bit }: { readonly bit: number }) => 1 << bit;

/** The leaves for vCPU `id` of `cpus`. Applied to its own result it changes only what the two numbers say. */
export function guestCpuid(supported: readonly CpuidLeaf[], id: number, cpus: number): CpuidLeaf[] {
  return withTopology(supported, id, cpus).map((leaf) =>
    leaf.function === CpuidFeature.HYPERVISOR.leaf
      ? { ...leaf, ecx: (leaf.ecx | mask(CpuidFeature.HYPERVISOR)) >>> 0 }
      : leaf,
  );
}

/** What this host's KVM can give a guest, but for what a checkpoint could not hold. Throws KvmError. */
export function hostCpuid(kvm: Kvm): CpuidLeaf[] {
  const leaves = kvm.getSupportedCpuid();
  return kvm.checkExtension('KVM_CAP_NESTED_STATE') > 0 ? leaves : withoutNesting(leaves);
}

/** The leaves without SVM and VMX: for hosts where a guest's own guest would not be in a checkpoint. */
export function withoutNesting(leaves: readonly CpuidLeaf[]): CpuidLeaf[] {
  const hidden = new Map<number, number>([CpuidFeature.VMX, CpuidFeature.SVM].map((at) => [at.leaf, mask(at)]));
  return leaves.map((leaf) => ({ ...leaf, ecx: (leaf.ecx & ~(hidden.get(leaf.function) ?? 0)) >>> 0 }));
}
