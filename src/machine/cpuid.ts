/**
 * What CPUID answers in the guest: what this host's KVM supports, made true for a virtual machine
 * (SDM volume 2, CPUID; Documentation/virt/kvm/x86/cpuid.rst).
 */
import { type CpuidBit, CpuidFeature } from '../abi/cpuid.ts';
import type { CpuidLeaf } from '../kvm/cpuid.ts';
import type { Kvm } from '../kvm/kvm.ts';
import { withTopology } from './topology.ts';

const mask = ({ bit }: { readonly bit: number }) => 1 << bit;

/**
 * The leaves for vCPU `id` of `cpus`; without the local APIC and what needs it, where the machine has chips in user space. Applied
 * to its own result it changes only what the two numbers say.
 */
export function guestCpuid(supported: readonly CpuidLeaf[], id: number, cpus: number, userChips = false): CpuidLeaf[] {
  const leaves = userChips ? without(supported, NEED_APIC) : supported;
  return withTopology(leaves, id, cpus).map((leaf) =>
    leaf.function === CpuidFeature.HYPERVISOR.leaf
      ? { ...leaf, ecx: (leaf.ecx | mask(CpuidFeature.HYPERVISOR)) >>> 0 }
      : leaf,
  );
}

/** What this host's KVM can give a guest, but for what a checkpoint could not hold. Throws KvmError. */
export function hostCpuid(kvm: Kvm): CpuidLeaf[] {
  const leaves = withoutAsyncPf(kvm.getSupportedCpuid());
  return kvm.checkExtension('KVM_CAP_NESTED_STATE') > 0 ? leaves : withoutNesting(leaves);
}

/** The leaves without SVM and VMX: for hosts where a guest's own guest would not be in a checkpoint. */
export const withoutNesting = (leaves: readonly CpuidLeaf[]): CpuidLeaf[] =>
  without(leaves, [CpuidFeature.VMX, CpuidFeature.SVM]);

/**
 * The leaves without asynchronous page faults: no ioctl reads for which pages a vCPU waits, and KVM wakes a vCPU whose MSR is
 * loaded, also one that has halted for good (kvm_async_pf_wakeup_all).
 */
const withoutAsyncPf = (leaves: readonly CpuidLeaf[]): CpuidLeaf[] =>
  without(leaves, [CpuidFeature.KVM_ASYNC_PF, CpuidFeature.KVM_ASYNC_PF_VMEXIT, CpuidFeature.KVM_ASYNC_PF_INT]);

const NEED_APIC = [CpuidFeature.APIC, CpuidFeature.X2APIC, CpuidFeature.TSC_DEADLINE];

function without(leaves: readonly CpuidLeaf[], features: readonly CpuidBit[]): CpuidLeaf[] {
  return leaves.map((leaf) => {
    const left = { ...leaf };
    for (const feature of features)
      if (feature.leaf === leaf.function) left[feature.register] = (left[feature.register] & ~mask(feature)) >>> 0;
    return left;
  });
}
