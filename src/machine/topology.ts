/**
 * The CPUID leaves that tell an operating system which processors there are. All say the same: one package of `cpus`
 * cores with one thread each, whose APIC ids are the vCPUs' numbers. KVM passes on what the host's own processor says.
 * (SDM volume 2, CPUID; AMD APM volume 3, appendix E.)
 */
import { CPUID_ENTRY_FLAGS } from '../abi/flags.ts';
import type { CpuidLeaf } from '../kvm/cpuid.ts';

/** Which vCPU of how many, and whether the processor is AMD's: only those count cores in 0x80000001 and 0x80000008. */
interface Place {
  readonly id: number;
  readonly cpus: number;
  readonly amd: boolean;
}

const { SIGNIFICANT_INDEX } = CPUID_ENTRY_FLAGS;
const SMT_LEVEL = 1;
const CORE_LEVEL = 2;
const HTT = 1 << 28; // CPUID.1:EDX[28]: the EBX count is valid
const CMP_LEGACY = 1 << 1; // CPUID.80000001:ECX[1]: several cores
const L3 = 3;

const unsigned = (value: number) => value >>> 0;
/** Bits of an APIC id that number the cores. */
const coreBits = (cpus: number) => Math.ceil(Math.log2(cpus));
const withBit = (value: number, bit: number, on: boolean) => unsigned(on ? value | bit : value & ~bit);
/** EAX of a cache: bits 5 to 7 its level, 14 to 25 how many processors share it, less one. Only the third is shared. */
const sharing = (eax: number, cpus: number) =>
  unsigned((eax & ~0x03ff_c000) | ((((eax >> 5) & 7) === L3 ? Math.min(2 ** coreBits(cpus), 4096) - 1 : 0) << 14));

type Rule = (leaf: CpuidLeaf, place: Place) => CpuidLeaf[];

/** Leaf 1. Its counts are bytes; a machine with more processors is described by the topology leaves alone. */
const features: Rule = (leaf, { id, cpus }) => {
  const ebx = (leaf.ebx & 0x0000_ffff) | (Math.min(cpus, 255) << 16) | (Math.min(id, 255) << 24);
  return [{ ...leaf, ebx: unsigned(ebx), edx: withBit(leaf.edx, HTT, cpus > 1) }];
};

/** Leaf 4: Intel's caches; bits 26 to 31 are the core numbers a package has room for, less one. */
const intelCache: Rule = (leaf, { cpus }) => {
  if ((leaf.eax & 0x1f) === 0) return [leaf];
  const cores = Math.min(2 ** coreBits(cpus), 64) - 1;
  return [{ ...leaf, eax: unsigned((sharing(leaf.eax, cpus) & 0x03ff_ffff) | (cores << 26)) }];
};

/** Leaves 0xB and 0x1F. KVM lists sub-leaf 0 alone and empty. */
const levels: Rule = (leaf, { id, cpus }) => {
  if (leaf.index !== 0) return [];
  const level = (index: number, type: number, eax: number, ebx: number): CpuidLeaf => ({
    function: leaf.function,
    index,
    flags: SIGNIFICANT_INDEX,
    eax,
    ebx,
    ecx: (type << 8) | index,
    edx: id,
  });
  return [level(0, SMT_LEVEL, 0, 1), level(1, CORE_LEVEL, coreBits(cpus), cpus)];
};

const amdFeatures: Rule = (leaf, { cpus, amd }) =>
  amd ? [{ ...leaf, ecx: withBit(leaf.ecx, CMP_LEGACY, cpus > 1) }] : [leaf];

/** ECX: bits 0 to 7 cores less one, 12 to 15 the bits that number them. */
const amdCores: Rule = (leaf, { cpus, amd }) => {
  const ecx = (leaf.ecx & ~0xf0ff) | (Math.min(cpus, 256) - 1) | (coreBits(cpus) << 12);
  return amd ? [{ ...leaf, ecx: unsigned(ecx) }] : [leaf];
};

const amdCache: Rule = (leaf, { cpus }) => [
  { ...leaf, eax: (leaf.eax & 0x1f) === 0 ? leaf.eax : sharing(leaf.eax, cpus) },
];

/** EAX the APIC id, EBX the core, of one thread; ECX the node, of one. */
const amdIds: Rule = (leaf, { id }) => [{ ...leaf, eax: id, ebx: id & 0xff, ecx: 0 }];

const RULES: Readonly<Record<number, Rule>> = {
  1: features,
  4: intelCache,
  11: levels,
  31: levels,
  2147483649: amdFeatures,
  2147483656: amdCores,
  2147483677: amdCache,
  2147483678: amdIds,
  2147483686: () => [], // AMD's own form of 0xB, with complexes and dies
};

/** "AuthenticAMD" and "HygonGenuine", as EBX of leaf 0 has their beginning. */
const AMD_VENDORS: readonly number[] = [0x6874_7541, 0x6f67_7948];

/** The leaves as vCPU `id` of `cpus` is to see them. Applied to its own result it changes only what the two numbers say. */
export function withTopology(leaves: readonly CpuidLeaf[], id: number, cpus: number): CpuidLeaf[] {
  const amd = AMD_VENDORS.includes(leaves.find((leaf) => leaf.function === 0)?.ebx ?? 0);
  return leaves.flatMap((leaf) => RULES[leaf.function]?.(leaf, { id, cpus, amd }) ?? [leaf]);
}
