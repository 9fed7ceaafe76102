/**
 * Names of model-specific registers. Sources: Intel SDM volume 4; AMD APM volume 2, appendix A;
 * Documentation/virt/kvm/x86/msr.rst for KVM's own.
 */
import { decodeFlags, type FlagTable } from './flags.ts';
import { hex } from './numbers.ts';
import { APIC_BASE, EFER } from './registers.ts';

/** VMX capability MSRs (SDM volume 3, appendix A). */
const VMX_MSRS = {
  IA32_VMX_BASIC: 0x480,
  IA32_VMX_PINBASED_CTLS: 0x481,
  IA32_VMX_PROCBASED_CTLS: 0x482,
  IA32_VMX_EXIT_CTLS: 0x483,
  IA32_VMX_ENTRY_CTLS: 0x484,
  IA32_VMX_MISC: 0x485,
  IA32_VMX_CR0_FIXED0: 0x486,
  IA32_VMX_CR0_FIXED1: 0x487,
  IA32_VMX_CR4_FIXED0: 0x488,
  IA32_VMX_CR4_FIXED1: 0x489,
  IA32_VMX_VMCS_ENUM: 0x48a,
  IA32_VMX_PROCBASED_CTLS2: 0x48b,
  IA32_VMX_EPT_VPID_CAP: 0x48c,
  IA32_VMX_TRUE_PINBASED_CTLS: 0x48d,
  IA32_VMX_TRUE_PROCBASED_CTLS: 0x48e,
  IA32_VMX_TRUE_EXIT_CTLS: 0x48f,
  IA32_VMX_TRUE_ENTRY_CTLS: 0x490,
  IA32_VMX_VMFUNC: 0x491,
} as const;

/** Hyper-V synthetic MSRs (TLFS). */
const HYPERV_MSRS = {
  HV_X64_MSR_GUEST_OS_ID: 0x40000000,
  HV_X64_MSR_HYPERCALL: 0x40000001,
  HV_X64_MSR_VP_INDEX: 0x40000002,
  HV_X64_MSR_RESET: 0x40000003,
  HV_X64_MSR_VP_RUNTIME: 0x40000010,
  HV_X64_MSR_TIME_REF_COUNT: 0x40000020,
  HV_X64_MSR_REFERENCE_TSC: 0x40000021,
  HV_X64_MSR_TSC_FREQUENCY: 0x40000022,
  HV_X64_MSR_APIC_FREQUENCY: 0x40000023,
  HV_X64_MSR_EOI: 0x40000070,
  HV_X64_MSR_ICR: 0x40000071,
  HV_X64_MSR_TPR: 0x40000072,
  HV_X64_MSR_VP_ASSIST_PAGE: 0x40000073,
  HV_X64_MSR_SCONTROL: 0x40000080,
  HV_X64_MSR_SVERSION: 0x40000081,
  HV_X64_MSR_SIEFP: 0x40000082,
  HV_X64_MSR_SIMP: 0x40000083,
  HV_X64_MSR_EOM: 0x40000084,
  HV_X64_MSR_SINT0: 0x40000090,
  HV_X64_MSR_STIMER0_CONFIG: 0x400000b0,
  HV_X64_MSR_STIMER0_COUNT: 0x400000b1,
  HV_X64_MSR_CRASH_P0: 0x40000100,
  HV_X64_MSR_CRASH_P1: 0x40000101,
  HV_X64_MSR_CRASH_P2: 0x40000102,
  HV_X64_MSR_CRASH_P3: 0x40000103,
  HV_X64_MSR_CRASH_P4: 0x40000104,
  HV_X64_MSR_CRASH_CTL: 0x40000105,
  HV_X64_MSR_REENLIGHTENMENT_CONTROL: 0x40000106,
  HV_X64_MSR_TSC_EMULATION_CONTROL: 0x40000107,
  HV_X64_MSR_TSC_EMULATION_STATUS: 0x40000108,
  HV_X64_MSR_TSC_INVARIANT_CONTROL: 0x40000118,
  HV_X64_MSR_SYNDBG_CONTROL: 0x400000f1,
  HV_X64_MSR_SYNDBG_STATUS: 0x400000f2,
  HV_X64_MSR_SYNDBG_SEND_BUFFER: 0x400000f3,
  HV_X64_MSR_SYNDBG_RECV_BUFFER: 0x400000f4,
  HV_X64_MSR_SYNDBG_PENDING_BUFFER: 0x400000f5,
  HV_X64_MSR_SYNDBG_OPTIONS: 0x400000ff,
} as const;

/** MSRs with one name each: name -> index. */
export const Msr = {
  IA32_P5_MC_ADDR: 0x0,
  IA32_P5_MC_TYPE: 0x1,
  IA32_TSC: 0x10,
  IA32_PLATFORM_ID: 0x17,
  IA32_APIC_BASE: 0x1b,
  MSR_SMI_COUNT: 0x34,
  IA32_FEAT_CTL: 0x3a,
  IA32_TSC_ADJUST: 0x3b,
  IA32_SPEC_CTRL: 0x48,
  IA32_PRED_CMD: 0x49,
  IA32_BIOS_SIGN_ID: 0x8b,
  IA32_SMBASE: 0x9e,
  MSR_PLATFORM_INFO: 0xce,
  IA32_CORE_CAPS: 0xcf,
  IA32_UMWAIT_CONTROL: 0xe1,
  IA32_MPERF: 0xe7,
  IA32_APERF: 0xe8,
  IA32_MTRRCAP: 0xfe,
  IA32_ARCH_CAPABILITIES: 0x10a,
  IA32_FLUSH_CMD: 0x10b,
  IA32_TSX_CTRL: 0x122,
  MSR_MISC_FEATURES_ENABLES: 0x140,
  IA32_SYSENTER_CS: 0x174,
  IA32_SYSENTER_ESP: 0x175,
  IA32_SYSENTER_EIP: 0x176,
  IA32_MCG_CAP: 0x179,
  IA32_MCG_STATUS: 0x17a,
  IA32_MCG_CTL: 0x17b,
  IA32_PERF_STATUS: 0x198,
  IA32_MISC_ENABLE: 0x1a0,
  IA32_XFD: 0x1c4,
  IA32_XFD_ERR: 0x1c5,
  IA32_DEBUGCTL: 0x1d9,
  IA32_LASTBRANCHFROMIP: 0x1db,
  IA32_LASTBRANCHTOIP: 0x1dc,
  IA32_LASTINTFROMIP: 0x1dd,
  IA32_LASTINTTOIP: 0x1de,
  MSR_POWER_CTL: 0x1fc,
  IA32_MTRR_FIX64K_00000: 0x250,
  IA32_MTRR_FIX16K_80000: 0x258,
  IA32_MTRR_FIX16K_A0000: 0x259,
  IA32_MTRR_FIX4K_C0000: 0x268,
  IA32_MTRR_FIX4K_C8000: 0x269,
  IA32_MTRR_FIX4K_D0000: 0x26a,
  IA32_MTRR_FIX4K_D8000: 0x26b,
  IA32_MTRR_FIX4K_E0000: 0x26c,
  IA32_MTRR_FIX4K_E8000: 0x26d,
  IA32_MTRR_FIX4K_F0000: 0x26e,
  IA32_MTRR_FIX4K_F8000: 0x26f,
  IA32_PAT: 0x277,
  IA32_MTRR_DEF_TYPE: 0x2ff,
  IA32_PERF_CAPABILITIES: 0x345,
  IA32_FIXED_CTR_CTRL: 0x38d,
  IA32_PERF_GLOBAL_STATUS: 0x38e,
  IA32_PERF_GLOBAL_CTRL: 0x38f,
  IA32_PERF_GLOBAL_OVF_CTRL: 0x390,
  IA32_PEBS_ENABLE: 0x3f1,
  MSR_PEBS_DATA_CFG: 0x3f2,
  IA32_MCG_EXT_CTL: 0x4d0,
  IA32_RTIT_CTL: 0x570,
  IA32_RTIT_STATUS: 0x571,
  IA32_RTIT_CR3_MATCH: 0x572,
  IA32_RTIT_OUTPUT_BASE: 0x560,
  IA32_RTIT_OUTPUT_MASK: 0x561,
  IA32_DS_AREA: 0x600,
  IA32_TSC_DEADLINE: 0x6e0,
  IA32_U_CET: 0x6a0,
  IA32_S_CET: 0x6a2,
  IA32_PL0_SSP: 0x6a4,
  IA32_PL1_SSP: 0x6a5,
  IA32_PL2_SSP: 0x6a6,
  IA32_PL3_SSP: 0x6a7,
  IA32_INT_SSP_TAB: 0x6a8,
  IA32_XSS: 0xda0,
  MSR_KVM_WALL_CLOCK: 0x11,
  MSR_KVM_SYSTEM_TIME: 0x12,
  MSR_KVM_WALL_CLOCK_NEW: 0x4b564d00,
  MSR_KVM_SYSTEM_TIME_NEW: 0x4b564d01,
  MSR_KVM_ASYNC_PF_EN: 0x4b564d02,
  MSR_KVM_STEAL_TIME: 0x4b564d03,
  MSR_KVM_PV_EOI_EN: 0x4b564d04,
  MSR_KVM_POLL_CONTROL: 0x4b564d05,
  MSR_KVM_ASYNC_PF_INT: 0x4b564d06,
  MSR_KVM_ASYNC_PF_ACK: 0x4b564d07,
  MSR_KVM_MIGRATION_CONTROL: 0x4b564d08,
  IA32_EFER: 0xc0000080,
  IA32_STAR: 0xc0000081,
  IA32_LSTAR: 0xc0000082,
  IA32_CSTAR: 0xc0000083,
  IA32_FMASK: 0xc0000084,
  IA32_FS_BASE: 0xc0000100,
  IA32_GS_BASE: 0xc0000101,
  IA32_KERNEL_GS_BASE: 0xc0000102,
  IA32_TSC_AUX: 0xc0000103,
  MSR_AMD64_TSC_RATIO: 0xc0000104,
  MSR_AMD64_PERF_CNTR_GLOBAL_STATUS: 0xc0000300,
  MSR_AMD64_PERF_CNTR_GLOBAL_CTL: 0xc0000301,
  MSR_AMD64_PERF_CNTR_GLOBAL_STATUS_CLR: 0xc0000302,
  MSR_K8_SYSCFG: 0xc0010010,
  MSR_K7_HWCR: 0xc0010015,
  MSR_K8_TSEG_ADDR: 0xc0010112,
  MSR_K8_TSEG_MASK: 0xc0010113,
  MSR_VM_CR: 0xc0010114,
  MSR_VM_HSAVE_PA: 0xc0010117,
  MSR_AMD64_VIRT_SPEC_CTRL: 0xc001011f,
  MSR_AMD64_OSVW_ID_LENGTH: 0xc0010140,
  MSR_AMD64_OSVW_STATUS: 0xc0010141,
  MSR_AMD64_LS_CFG: 0xc0011020,
  MSR_AMD64_DE_CFG: 0xc0011029,
  ...VMX_MSRS,
  ...HYPERV_MSRS,
} as const;

/** MSRs in rows: first index, count, distance, and the name of number n. */
const FAMILIES: readonly (readonly [first: number, count: number, stride: number, name: (n: number) => string])[] = [
  [0xc1, 18, 1, (n) => `IA32_PMC${n}`],
  [0x186, 18, 1, (n) => `IA32_PERFEVTSEL${n}`],
  [0x200, 16, 2, (n) => `IA32_MTRR_PHYSBASE${n}`],
  [0x201, 16, 2, (n) => `IA32_MTRR_PHYSMASK${n}`],
  [0x280, 32, 1, (n) => `IA32_MC${n}_CTL2`],
  [0x309, 4, 1, (n) => `IA32_FIXED_CTR${n}`],
  [0x400, 32, 4, (n) => `IA32_MC${n}_CTL`],
  [0x401, 32, 4, (n) => `IA32_MC${n}_STATUS`],
  [0x402, 32, 4, (n) => `IA32_MC${n}_ADDR`],
  [0x403, 32, 4, (n) => `IA32_MC${n}_MISC`],
  [0x4c1, 18, 1, (n) => `IA32_A_PMC${n}`],
  [0x580, 4, 2, (n) => `IA32_RTIT_ADDR${n}_A`],
  [0x581, 4, 2, (n) => `IA32_RTIT_ADDR${n}_B`],
  [0x800, 64, 1, (n) => `X2APIC_${n.toString(16).padStart(2, '0')}`],
  [0xc0010000, 4, 1, (n) => `MSR_K7_EVNTSEL${n}`],
  [0xc0010004, 4, 1, (n) => `MSR_K7_PERFCTR${n}`],
  [0xc0010200, 6, 2, (n) => `MSR_F15H_PERF_CTL${n}`],
  [0xc0010201, 6, 2, (n) => `MSR_F15H_PERF_CTR${n}`],
];

const NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  ...FAMILIES.flatMap(([first, count, stride, name]) =>
    Array.from({ length: count }, (_, n): [number, string] => [first + n * stride, name(n)]),
  ),
  ...Object.entries(Msr).map(([name, index]): [number, string] => [index, name]),
]);

/** The name of an MSR; "MSR 0x…" for one without. */
export function msrName(index: number): string {
  return NAMES.get(index) ?? `MSR ${hex(index)}`;
}

/** True where {@link msrName} has a real name. */
export const isKnownMsr = (index: number): boolean => NAMES.has(index);

/** Flags of the MSRs whose bits are worth naming. */
export const MSR_FLAGS: Readonly<Record<number, FlagTable>> = {
  [Msr.IA32_EFER]: EFER,
  [Msr.IA32_APIC_BASE]: APIC_BASE,
  [Msr.IA32_MISC_ENABLE]: {
    FAST_STRING: 1n << 0n,
    PERFMON: 1n << 7n,
    BTS_UNAVAILABLE: 1n << 11n,
    PEBS_UNAVAILABLE: 1n << 12n,
    SPEEDSTEP: 1n << 16n,
    MWAIT: 1n << 18n,
    LIMIT_CPUID: 1n << 22n,
    XD_DISABLE: 1n << 34n,
  },
  [Msr.IA32_FEAT_CTL]: { LOCKED: 1n << 0n, VMX_IN_SMX: 1n << 1n, VMX: 1n << 2n },
  [Msr.IA32_SPEC_CTRL]: { IBRS: 1n << 0n, STIBP: 1n << 1n, SSBD: 1n << 2n },
  [Msr.IA32_DEBUGCTL]: { LBR: 1n << 0n, BTF: 1n << 1n },
  [Msr.IA32_MTRR_DEF_TYPE]: { TYPE: 0xffn, FIXED_ENABLE: 1n << 10n, ENABLE: 1n << 11n },
  [Msr.MSR_KVM_SYSTEM_TIME]: { ENABLE: 1n << 0n },
  [Msr.MSR_KVM_SYSTEM_TIME_NEW]: { ENABLE: 1n << 0n },
  [Msr.MSR_KVM_ASYNC_PF_EN]: { ENABLE: 1n << 0n, SEND_ALWAYS: 1n << 1n, VMEXIT: 1n << 2n, INT: 1n << 3n },
  [Msr.MSR_KVM_STEAL_TIME]: { ENABLE: 1n << 0n },
  [Msr.MSR_KVM_PV_EOI_EN]: { ENABLE: 1n << 0n },
};

/** An MSR's value for people: hex, and the names of its bits where it has any. */
export function describeMsr(index: number, value: bigint): string {
  const table = MSR_FLAGS[index];
  return table && value !== 0n ? `${hex(value)} (${decodeFlags(table, value).join('|')})` : hex(value);
}

const row = (first: number, count: number): number[] => Array.from({ length: count }, (_, n) => first + n);

/** Banks of machine-check registers of a KVM guest, unless KVM_X86_SETUP_MCE says less: CTL, STATUS, ADDR, MISC each. */
const MCE_BANKS = 32;

/**
 * MSRs that a guest can write, and that host side can read and write, but that KVM_GET_MSR_INDEX_LIST leaves out
 * (arch/x86/kvm/mtrr.c, x86.c and svm/svm.c). To find out which of them a host has, try.
 */
export const UNLISTED_MSRS: readonly number[] = [
  ...row(0x200, 16), // IA32_MTRR_PHYSBASE0 to PHYSMASK7
  0x250, // IA32_MTRR_FIX64K_00000
  ...row(0x258, 2), // IA32_MTRR_FIX16K_80000, A0000
  ...row(0x268, 8), // IA32_MTRR_FIX4K_C0000 to F8000
  0x2ff, // IA32_MTRR_DEF_TYPE
  0x17a, // IA32_MCG_STATUS
  0x17b, // IA32_MCG_CTL
  0x1d9, // IA32_DEBUGCTL
  0x140, // MSR_MISC_FEATURES_ENABLES
  0x1fc, // MSR_POWER_CTL
  ...row(0x400, 4 * MCE_BANKS), // IA32_MC0_CTL to MC31_MISC
  0xc001_0015, // MSR_K7_HWCR
  0xc001_0114, // MSR_VM_CR
  0xc001_0117, // MSR_VM_HSAVE_PA
  ...row(0xc001_0140, 2), // MSR_AMD64_OSVW_ID_LENGTH, OSVW_STATUS
];
