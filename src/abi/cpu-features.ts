/**
 * The names of CPUID's feature bits, as Linux shows them in /proc/cpuinfo (arch/x86/include/asm/cpufeatures.h); where it
 * shows a bit under another name or not at all, the name that it has in that file. Sources of the bits: Intel SDM volume 2,
 * CPUID; AMD APM volume 3, appendix E.
 */
import type { CpuidBit } from './cpuid.ts';

/** A register of CPUID whose bits are features. */
export type CpuidWord = Omit<CpuidBit, 'bit'>;

/** Names by bit, from bit 0; "-" stands for a bit without a name, or one that an operating system sets itself. */
const WORDS: readonly (readonly [leaf: number, index: number, register: CpuidBit['register'], names: string])[] = [
  [
    0x1,
    0,
    'edx',
    'fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe',
  ],
  [
    0x1,
    0,
    'ecx',
    'pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor',
  ],
  [0x6, 0, 'eax', '- - arat'],
  [
    0x7,
    0,
    'ebx',
    'fsgsbase tsc_adjust sgx bmi1 hle avx2 fdp_excptn_only smep bmi2 erms invpcid rtm cqm zero_fcs_fds mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl',
  ],
  [
    0x7,
    0,
    'ecx',
    '- avx512vbmi umip pku - waitpkg avx512_vbmi2 shstk gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b enqcmd sgx_lc pks',
  ],
  [
    0x7,
    0,
    'edx',
    '- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect srbds_ctrl md_clear rtm_always_abort - tsx_force_abort serialize hybrid_cpu tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 spec_ctrl intel_stibp flush_l1d arch_capabilities core_capabilities spec_ctrl_ssbd',
  ],
  [
    0x7,
    1,
    'eax',
    '- - - - avx_vnni avx512_bf16 - cmpccxadd - - fzrm fsrs fsrc - - - - - - - - amx_fp16 - avx_ifma - - lam',
  ],
  [0xd, 1, 'eax', 'xsaveopt xsavec xgetbv1 xsaves xfd'],
  [
    0x8000_0001,
    0,
    'ecx',
    'lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx',
  ],
  [
    0x8000_0001,
    0,
    'edx',
    '- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow',
  ],
  [0x8000_0007, 0, 'edx', '- - - - - - - - nonstop_tsc'],
  [
    0x8000_0008,
    0,
    'ebx',
    'clzero irperf xsaveerptr - rdpru - - - - wbnoinvd - - amd_ibpb - amd_ibrs amd_stibp - amd_stibp_always_on - - - - - amd_ppin amd_ssbd virt_ssbd amd_ssb_no cppc - - - brs',
  ],
];

/** The registers that hold features, in the order of their leaves. */
export const FEATURE_WORDS: readonly CpuidWord[] = WORDS.map(([leaf, index, register]) => ({ leaf, index, register }));

/** Every named feature. */
export const CPU_FEATURES: ReadonlyMap<string, CpuidBit> = new Map(
  WORDS.flatMap(([leaf, index, register, names]) =>
    names.split(' ').flatMap((name, bit) => (name === '-' ? [] : [[name, { leaf, index, register, bit }] as const])),
  ),
);
