/**
 * CPUID leaves and the feature bits that the toolkit reads or sets. Sources: Intel SDM volume 2, CPUID;
 * AMD APM volume 3, appendix E; Documentation/virt/kvm/x86/cpuid.rst for the leaves from 0x40000000.
 */

/** Leaf numbers (EAX). */
export const CpuidLeaf = {
  VENDOR: 0x0,
  FEATURES: 0x1,
  CACHE: 0x4,
  MWAIT: 0x5,
  THERMAL: 0x6,
  EXTENDED_FEATURES: 0x7,
  PERFMON: 0xa,
  TOPOLOGY: 0xb,
  XSAVE: 0xd,
  TSC: 0x15,
  FREQUENCY: 0x16,
  TOPOLOGY_V2: 0x1f,
  KVM_SIGNATURE: 0x4000_0000,
  KVM_FEATURES: 0x4000_0001,
  /** VMware's timing leaf, which KVM guests read too: EAX TSC kHz, EBX APIC bus kHz. */
  HYPERVISOR_TIMING: 0x4000_0010,
  EXTENDED_MAX: 0x8000_0000,
  EXTENDED_FEATURES_AMD: 0x8000_0001,
  BRAND_FIRST: 0x8000_0002,
  BRAND_LAST: 0x8000_0004,
  INVARIANT_TSC: 0x8000_0007,
  ADDRESS_SIZES: 0x8000_0008,
  SVM: 0x8000_000a,
  TOPOLOGY_AMD: 0x8000_001e,
} as const;

/** Output register of CPUID. */
type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';

/** Where one feature bit is. */
export interface CpuidBit {
  readonly leaf: number;
  readonly index: number;
  readonly register: CpuidRegister;
  readonly bit: number;
}

const bit = (leaf: number, register: CpuidRegister, number: number, index = 0): CpuidBit => ({
  leaf,
  index,
  register,
  bit: number,
});

/** Feature bits by name. */
export const CpuidFeature = {
  FPU: bit(0x1, 'edx', 0),
  PSE: bit(0x1, 'edx', 3),
  TSC: bit(0x1, 'edx', 4),
  MSR: bit(0x1, 'edx', 5),
  PAE: bit(0x1, 'edx', 6),
  APIC: bit(0x1, 'edx', 9),
  MTRR: bit(0x1, 'edx', 12),
  PGE: bit(0x1, 'edx', 13),
  FXSR: bit(0x1, 'edx', 24),
  SSE: bit(0x1, 'edx', 25),
  SSE2: bit(0x1, 'edx', 26),
  HTT: bit(0x1, 'edx', 28),
  MONITOR: bit(0x1, 'ecx', 3),
  VMX: bit(0x1, 'ecx', 5),
  PCID: bit(0x1, 'ecx', 17),
  X2APIC: bit(0x1, 'ecx', 21),
  TSC_DEADLINE: bit(0x1, 'ecx', 24),
  XSAVE: bit(0x1, 'ecx', 26),
  OSXSAVE: bit(0x1, 'ecx', 27),
  AVX: bit(0x1, 'ecx', 28),
  /** Set for every guest: Linux looks for kvmclock only where it is. KVM_GET_SUPPORTED_CPUID may leave it out. */
  HYPERVISOR: bit(0x1, 'ecx', 31),
  ARAT: bit(0x6, 'eax', 2),
  FSGSBASE: bit(0x7, 'ebx', 0),
  TSC_ADJUST: bit(0x7, 'ebx', 1),
  SMEP: bit(0x7, 'ebx', 7),
  INVPCID: bit(0x7, 'ebx', 10),
  SMAP: bit(0x7, 'ebx', 20),
  CLWB: bit(0x7, 'ebx', 24),
  LA57: bit(0x7, 'ecx', 16),
  XSAVEOPT: bit(0xd, 'eax', 0, 1),
  XSAVEC: bit(0xd, 'eax', 1, 1),
  XSAVES: bit(0xd, 'eax', 3, 1),
  KVM_ASYNC_PF: bit(0x4000_0001, 'eax', 4),
  KVM_ASYNC_PF_VMEXIT: bit(0x4000_0001, 'eax', 10),
  KVM_ASYNC_PF_INT: bit(0x4000_0001, 'eax', 14),
  SYSCALL: bit(0x8000_0001, 'edx', 11),
  NX: bit(0x8000_0001, 'edx', 20),
  GBPAGES: bit(0x8000_0001, 'edx', 26),
  LM: bit(0x8000_0001, 'edx', 29),
  SVM: bit(0x8000_0001, 'ecx', 2),
  INVARIANT_TSC: bit(0x8000_0007, 'edx', 8),
} as const satisfies Record<string, CpuidBit>;
