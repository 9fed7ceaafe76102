/**
 * MSRs that a guest can write, and that host side can read and write, but that KVM_GET_MSR_INDEX_LIST leaves out
 * (arch/x86/kvm/mtrr.c, x86.c and svm/svm.c). Which of them a host has is found out by trying.
 */

const row = (first: number, count: number): number[] => Array.from({ length: count }, (_, n) => first + n);

/** Banks of machine-check registers of a KVM guest, unless KVM_X86_SETUP_MCE says less: CTL, STATUS, ADDR, MISC each. */
const MCE_BANKS = 32;

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
