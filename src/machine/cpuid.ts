/**
 * What CPUID answers in the guest: what this host's KVM supports, made true for a virtual machine
 * (SDM volume 2, CPUID; Documentation/virt/kvm/x86/cpuid.rst).
 */
import type { CpuidLeaf } from '../kvm/cpuid.ts';

const HYPERVISOR = 1 << 31; // CPUID.1:ECX[31]; KVM_GET_SUPPORTED_CPUID leaves it to user space
const TOPOLOGY_LEAVES: readonly number[] = [0xb, 0x1f];
const HTT = 1 << 28; // CPUID.1:EDX[28]: the EBX count is valid

const unsigned = (value: number) => value >>> 0;

/** The leaves for vCPU `id` of `cpus`. */
export function guestCpuid(supported: readonly CpuidLeaf[], id: number, cpus: number): CpuidLeaf[] {
  return supported.map((leaf) => {
    if (leaf.function === 1) {
      const ebx = (leaf.ebx & 0x0000_ffff) | (cpus << 16) | (id << 24);
      const edx = cpus > 1 ? leaf.edx | HTT : leaf.edx & ~HTT;
      return { ...leaf, ebx: unsigned(ebx), ecx: unsigned(leaf.ecx | HYPERVISOR), edx: unsigned(edx) };
    }
    if (TOPOLOGY_LEAVES.includes(leaf.function)) return topology(leaf, id, cpus);
    return leaf;
  });
}

/** Leaves 0xB and 0x1F: one thread a core, `cpus` cores in one package. */
function topology(leaf: CpuidLeaf, id: number, cpus: number): CpuidLeaf {
  const bits = Math.ceil(Math.log2(Math.max(cpus, 1)));
  const levels = [
    { eax: 0, ebx: 1, ecx: 1 << 8 },
    { eax: bits, ebx: cpus, ecx: (2 << 8) | 1 },
  ];
  const level = levels[leaf.index] ?? { eax: 0, ebx: 0, ecx: leaf.index };
  return { ...leaf, ...level, edx: id };
}
