/** Model-specific registers and CPUID leaves: headers, and the entries that follow them. */
import { struct } from '../struct.ts';
import { array, u32, u64 } from '../types.ts';

/** One MSR. */
export const KvmMsrEntry = struct('kvm_msr_entry', 16, { index: [0, u32], reserved: [4, u32], data: [8, u64] });

/** Header of a list of {@link KvmMsrEntry}. */
export const KvmMsrs = struct('kvm_msrs', 8, { nmsrs: [0, u32], pad: [4, u32] });

/** Header of a list of MSR indices, {@link KvmMsrIndex} each. */
export const KvmMsrList = struct('kvm_msr_list', 4, { nmsrs: [0, u32] });

/** One index behind {@link KvmMsrList}. */
export const KvmMsrIndex = struct('__u32', 4, { index: [0, u32] });

/** `nmsrs` MSRs from `base`; `bitmap` is a host address, bit 1 allows what `flags` names (MSR_FILTER_FLAGS). */
export const KvmMsrFilterRange = struct('kvm_msr_filter_range', 24, {
  flags: [0, u32],
  nmsrs: [4, u32],
  base: [8, u32],
  bitmap: [16, u64],
});

/** Which MSR accesses reach KVM. `flags` 1: deny what no range names. */
export const KvmMsrFilter = struct('kvm_msr_filter', 392, {
  flags: [0, u32],
  ranges: [8, array(KvmMsrFilterRange, 16)],
});

/** One CPUID leaf of the old KVM_SET_CPUID. */
export const KvmCpuidEntry = struct('kvm_cpuid_entry', 24, {
  function: [0, u32],
  eax: [4, u32],
  ebx: [8, u32],
  ecx: [12, u32],
  edx: [16, u32],
  padding: [20, u32],
});

/** Header of a list of {@link KvmCpuidEntry}. */
export const KvmCpuid = struct('kvm_cpuid', 8, { nent: [0, u32], padding: [4, u32] });

/** One CPUID leaf or sub-leaf. `flags`: see CPUID_ENTRY_FLAGS. */
export const KvmCpuidEntry2 = struct('kvm_cpuid_entry2', 40, {
  function: [0, u32],
  index: [4, u32],
  flags: [8, u32],
  eax: [12, u32],
  ebx: [16, u32],
  ecx: [20, u32],
  edx: [24, u32],
  padding: [28, array(u32, 3)],
});

/** Header of a list of {@link KvmCpuidEntry2}. */
export const KvmCpuid2 = struct('kvm_cpuid2', 8, { nent: [0, u32], padding: [4, u32] });
