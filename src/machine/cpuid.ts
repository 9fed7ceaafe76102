/**
 * What CPUID answers in the guest: what this host's KVM supports, made true for a virtual machine
 * (SDM volume 2, CPUID; Documentation/virt/kvm/x86/cpuid.rst).
 */
import { CPUID_ENTRY_FLAGS } from '../abi/flags.ts';
import type { CpuidLeaf } from '../kvm/cpuid.ts';

const HYPERVISOR = 1 << 31; // CPUID.1:ECX[31]; KVM_GET_SUPPORTED_CPUID leaves it to user space
const TOPOLOGY_LEAVES: readonly number[] = [0xb, 0x1f];
const { SIGNIFICANT_INDEX } = CPUID_ENTRY_FLAGS;
const SMT_LEVEL = 1;
const CORE_LEVEL = 2;
const HTT = 1 << 28; // CPUID.1:EDX[28]: the EBX count is valid

const unsigned = (value: number) => value >>> 0;

/** The leaves for vCPU `id` of `cpus`. Applied to its own result it changes only what the two numbers say. */
export function guestCpuid(supported: readonly CpuidLeaf[], id: number, cpus: number): CpuidLeaf[] {
  return supported.flatMap((leaf) => {
    if (leaf.function === 1) return [features(leaf, id, cpus)];
    if (!TOPOLOGY_LEAVES.includes(leaf.function)) return [leaf];
    return leaf.index === 0 ? topology(leaf, id, cpus) : [];
  });
}

/** Leaf 1. Its counts are bytes; a machine with more processors is described by the topology leaves alone. */
function features(leaf: CpuidLeaf, id: number, cpus: number): CpuidLeaf {
  const ebx = (leaf.ebx & 0x0000_ffff) | (Math.min(cpus, 255) << 16) | (Math.min(id, 255) << 24);
  const edx = cpus > 1 ? leaf.edx | HTT : leaf.edx & ~HTT;
  return { ...leaf, ebx: unsigned(ebx), ecx: unsigned(leaf.ecx | HYPERVISOR), edx: unsigned(edx) };
}

/** Leaves 0xB and 0x1F: one thread a core, `cpus` cores in one package. KVM lists sub-leaf 0 alone and empty. */
function topology(leaf: CpuidLeaf, id: number, cpus: number): CpuidLeaf[] {
  const coreBits = Math.ceil(Math.log2(cpus));
  const level = (index: number, type: number, shift: number, count: number): CpuidLeaf => ({
    function: leaf.function,
    index,
    flags: SIGNIFICANT_INDEX,
    eax: shift,
    ebx: count,
    ecx: (type << 8) | index,
    edx: id,
  });
  return [level(0, SMT_LEVEL, 0, 1), level(1, CORE_LEVEL, coreBits, cpus)];
}
