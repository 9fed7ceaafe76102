/**
 * Every KVM_CAP_… number, by name. Source: include/uapi/linux/kvm.h; meanings: Documentation/virt/kvm/api.rst.
 * Reference, not reading.
 */

/** What a capability is about. The last five belong to other architectures. */
export type CapabilityGroup =
  | 'limits'
  | 'memory'
  | 'dirty'
  | 'vcpu'
  | 'cpuid'
  | 'msr'
  | 'irq'
  | 'clock'
  | 'debug'
  | 'exits'
  | 'paravirt'
  | 'hyperv'
  | 'xen'
  | 'nested'
  | 'other'
  | 'arm'
  | 'mips'
  | 'ppc'
  | 'riscv'
  | 's390';

/** One capability, as KVM_CHECK_EXTENSION takes it. */
export interface Capability {
  readonly nr: number;
  readonly group: CapabilityGroup;
  /** What it means to have it; absent for other architectures. */
  readonly doc?: string;
  /** What the answer counts or names when it is more than yes or no. */
  readonly value?: string;
}

const X86 = {
  // The machine around the vCPUs: limits, memory, dirty log, interrupts, clock.
  KVM_CAP_IRQCHIP: { nr: 0, group: 'irq', doc: 'in-kernel PICs, I/O APIC and local APIC' },
  KVM_CAP_MMU_SHADOW_CACHE_CONTROL: { nr: 2, group: 'memory', doc: 'number of shadow pages can be limited' },
  KVM_CAP_USER_MEMORY: { nr: 3, group: 'memory', doc: 'guest memory is memory of this process' },
  KVM_CAP_VAPIC: { nr: 6, group: 'irq', doc: 'task priority register accesses can be reported' },
  KVM_CAP_CLOCKSOURCE: { nr: 8, group: 'clock', doc: 'kvmclock, the paravirtual clock' },
  KVM_CAP_NR_VCPUS: { nr: 9, group: 'limits', doc: 'recommended number of vCPUs in a VM', value: 'vCPUs' },
  KVM_CAP_NR_MEMSLOTS: { nr: 10, group: 'limits', doc: 'memory slots in a VM', value: 'slots' },
  KVM_CAP_PIT: { nr: 11, group: 'irq', doc: 'in-kernel 8254 timer, first form' },
  KVM_CAP_COALESCED_MMIO: {
    nr: 15,
    group: 'memory',
    doc: 'guest writes can be batched in a ring',
    value: 'page offset of the ring in the vCPU mapping',
  },
  KVM_CAP_SYNC_MMU: { nr: 16, group: 'memory', doc: 'changes to the host mapping reach the guest' },
  KVM_CAP_IOMMU: { nr: 18, group: 'memory', doc: 'device assignment by KVM itself (historic; VFIO replaced it)' },
  KVM_CAP_DESTROY_MEMORY_REGION_WORKS: { nr: 21, group: 'memory', doc: 'a memory slot can be deleted' },
  KVM_CAP_USER_NMI: { nr: 22, group: 'irq', doc: 'user space can inject NMIs' },
  KVM_CAP_REINJECT_CONTROL: { nr: 24, group: 'irq', doc: 'missed timer ticks can be dropped' },
  KVM_CAP_IRQ_ROUTING: {
    nr: 25,
    group: 'irq',
    doc: 'GSIs can be routed to pins and messages',
    value: 'number of GSIs',
  },
  KVM_CAP_IRQ_INJECT_STATUS: { nr: 26, group: 'irq', doc: 'raising a line tells whether it was delivered' },
  KVM_CAP_ASSIGN_DEV_IRQ: { nr: 29, group: 'irq', doc: 'device interrupt assignment (historic)' },
  KVM_CAP_JOIN_MEMORY_REGIONS_WORKS: { nr: 30, group: 'memory', doc: 'adjacent slots can be joined' },
  KVM_CAP_IRQFD: { nr: 32, group: 'irq', doc: 'eventfds can raise interrupts' },
  KVM_CAP_PIT2: { nr: 33, group: 'irq', doc: 'in-kernel 8254 timer' },
  KVM_CAP_PIT_STATE2: { nr: 35, group: 'irq', doc: '8254 state with flags' },
  KVM_CAP_IOEVENTFD: { nr: 36, group: 'irq', doc: 'guest writes can signal eventfds' },
  KVM_CAP_SET_IDENTITY_MAP_ADDR: {
    nr: 37,
    group: 'memory',
    doc: 'identity-map page for real mode on Intel hosts can be placed',
  },
  KVM_CAP_ADJUST_CLOCK: { nr: 39, group: 'clock', doc: 'kvmclock can be read and set', value: 'CLOCK_FLAGS' },
  KVM_CAP_TSC_CONTROL: { nr: 60, group: 'clock', doc: 'frequency of a guest TSC can be chosen' },
  KVM_CAP_GET_TSC_KHZ: { nr: 61, group: 'clock', doc: 'frequency of a guest TSC can be read' },
  KVM_CAP_MAX_VCPUS: { nr: 66, group: 'limits', doc: 'largest number of vCPUs in a VM', value: 'vCPUs' },
  KVM_CAP_TSC_DEADLINE_TIMER: { nr: 72, group: 'irq', doc: 'local APIC timer has a TSC-deadline mode' },
  KVM_CAP_KVMCLOCK_CTRL: { nr: 76, group: 'clock', doc: 'guest can be told that it was paused' },
  KVM_CAP_SIGNAL_MSI: { nr: 77, group: 'irq', doc: 'message-signalled interrupts can be injected' },
  KVM_CAP_READONLY_MEM: { nr: 81, group: 'memory', doc: 'memory slots can be read-only (ROM)' },
  KVM_CAP_IRQFD_RESAMPLE: { nr: 82, group: 'irq', doc: 'level-triggered interrupts through eventfds' },
  KVM_CAP_IOAPIC_POLARITY_IGNORED: { nr: 97, group: 'irq', doc: 'I/O APIC ignores pin polarity' },
  KVM_CAP_IOEVENTFD_NO_LENGTH: { nr: 100, group: 'irq', doc: 'eventfds on writes of any length to an address' },
  KVM_CAP_MULTI_ADDRESS_SPACE: {
    nr: 118,
    group: 'memory',
    doc: 'address spaces in a VM (the second is system management mode)',
    value: 'address spaces',
  },
  KVM_CAP_SPLIT_IRQCHIP: { nr: 121, group: 'irq', doc: 'local APICs in the kernel, PICs and I/O APIC in user space' },
  KVM_CAP_IOEVENTFD_ANY_LENGTH: { nr: 122, group: 'irq', doc: 'eventfds on writes of any length' },
  KVM_CAP_MAX_VCPU_ID: { nr: 128, group: 'limits', doc: 'vCPU ids are below this', value: 'ids' },
  KVM_CAP_X2APIC_API: { nr: 129, group: 'irq', doc: '32-bit APIC ids' },
  KVM_CAP_MSI_DEVID: { nr: 131, group: 'irq', doc: 'messages carry a device id' },
  KVM_CAP_COALESCED_PIO: { nr: 162, group: 'memory', doc: 'port writes can be batched too' },
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT: {
    nr: 166,
    group: 'dirty',
    doc: 'first form of manual dirty-log protection (obsolete)',
  },
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: {
    nr: 168,
    group: 'dirty',
    doc: 'reading the dirty log does not protect again; KVM_CLEAR_DIRTY_LOG does',
    value: 'DIRTY_LOG_PROTECT_FLAGS',
  },
  KVM_CAP_SMALLER_MAXPHYADDR: {
    nr: 185,
    group: 'memory',
    doc: 'guest may have fewer physical address bits than the host',
  },
  KVM_CAP_STEAL_TIME: { nr: 187, group: 'clock', doc: 'guest is told of time it lost' },
  KVM_CAP_DIRTY_LOG_RING: {
    nr: 192,
    group: 'dirty',
    doc: 'dirty pages in a ring for each vCPU',
    value: 'largest ring in bytes',
  },
  KVM_CAP_PTP_KVM: { nr: 198, group: 'clock', doc: 'host clock as a precision clock for the guest' },
  KVM_CAP_VM_GPA_BITS: { nr: 207, group: 'limits', doc: 'bits of a guest-physical address', value: 'bits' },
  KVM_CAP_VM_TSC_CONTROL: { nr: 214, group: 'clock', doc: 'default TSC frequency of a VM can be chosen' },
  KVM_CAP_VM_DISABLE_NX_HUGE_PAGES: { nr: 220, group: 'memory', doc: 'a VM can opt out of the huge-page mitigation' },
  KVM_CAP_DIRTY_LOG_RING_ACQ_REL: {
    nr: 223,
    group: 'dirty',
    doc: 'dirty ring with acquire and release ordering',
    value: 'largest ring in bytes',
  },
  KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP: { nr: 225, group: 'dirty', doc: 'a bitmap besides the dirty ring' },
  KVM_CAP_USER_MEMORY2: { nr: 231, group: 'memory', doc: 'memory slots with private memory' },
  KVM_CAP_MEMORY_ATTRIBUTES: { nr: 233, group: 'memory', doc: 'guest memory has attributes', value: 'attributes' },
  KVM_CAP_GUEST_MEMFD: { nr: 234, group: 'memory', doc: 'memory that only the guest can see' },
  KVM_CAP_PRE_FAULT_MEMORY: { nr: 236, group: 'memory', doc: 'guest memory can be mapped ahead of use' },
  KVM_CAP_X86_APIC_BUS_CYCLES_NS: {
    nr: 237,
    group: 'clock',
    doc: 'APIC bus clock can be chosen',
    value: 'nanoseconds',
  },
  KVM_CAP_GUEST_MEMFD_FLAGS: {
    nr: 244,
    group: 'memory',
    doc: 'kinds of memory that only the guest can see',
    value: 'flags',
  },

  // vCPUs and what a guest is shown: state, CPUID, MSRs, debugging, exits, paravirtual interfaces.
  KVM_CAP_HLT: { nr: 1, group: 'vcpu', doc: 'HLT exits or blocks in the kernel' },
  KVM_CAP_SET_TSS_ADDR: { nr: 4, group: 'vcpu', doc: 'pages for real mode on Intel hosts can be placed' },
  KVM_CAP_EXT_CPUID: { nr: 7, group: 'cpuid', doc: 'CPUID leaves with sub-leaves' },
  KVM_CAP_NOP_IO_DELAY: { nr: 12, group: 'paravirt', doc: 'guest may skip I/O delays' },
  KVM_CAP_PV_MMU: { nr: 13, group: 'paravirt', doc: 'paravirtual page-table updates (historic)' },
  KVM_CAP_MP_STATE: { nr: 14, group: 'vcpu', doc: 'run state of a vCPU can be read and written' },
  KVM_CAP_SET_GUEST_DEBUG: { nr: 23, group: 'debug', doc: 'breakpoints and single stepping' },
  KVM_CAP_MCE: { nr: 31, group: 'vcpu', doc: 'machine checks', value: 'number of banks' },
  KVM_CAP_SET_BOOT_CPU_ID: { nr: 34, group: 'vcpu', doc: 'which vCPU starts can be chosen' },
  KVM_CAP_XEN_HVM: { nr: 38, group: 'xen', doc: 'Xen guest interface', value: 'flags' },
  KVM_CAP_INTERNAL_ERROR_DATA: { nr: 40, group: 'exits', doc: 'internal errors carry data words' },
  KVM_CAP_VCPU_EVENTS: { nr: 41, group: 'vcpu', doc: 'pending exceptions and interrupts can be read and written' },
  KVM_CAP_HYPERV: { nr: 44, group: 'hyperv', doc: 'Hyper-V guest interface' },
  KVM_CAP_HYPERV_VAPIC: { nr: 45, group: 'hyperv', doc: 'Hyper-V APIC assist page' },
  KVM_CAP_HYPERV_SPIN: { nr: 46, group: 'hyperv', doc: 'Hyper-V long spin-wait notification' },
  KVM_CAP_PCI_SEGMENT: { nr: 47, group: 'other', doc: 'device assignment beyond PCI segment 0 (historic)' },
  KVM_CAP_INTR_SHADOW: { nr: 49, group: 'vcpu', doc: 'interrupt shadow is part of the vCPU events' },
  KVM_CAP_DEBUGREGS: { nr: 50, group: 'vcpu', doc: 'debug registers can be read and written' },
  KVM_CAP_X86_ROBUST_SINGLESTEP: { nr: 51, group: 'debug', doc: 'single stepping survives guest use of the trap flag' },
  KVM_CAP_ENABLE_CAP: { nr: 54, group: 'vcpu', doc: 'capabilities can be switched on for a vCPU' },
  KVM_CAP_XSAVE: { nr: 55, group: 'vcpu', doc: 'XSAVE area can be read and written' },
  KVM_CAP_XCRS: { nr: 56, group: 'vcpu', doc: 'extended control registers can be read and written' },
  KVM_CAP_ASYNC_PF: { nr: 59, group: 'paravirt', doc: 'guest is told of pages on their way in' },
  KVM_CAP_ONE_REG: { nr: 70, group: 'vcpu', doc: 'registers can be accessed one at a time' },
  KVM_CAP_SYNC_REGS: { nr: 74, group: 'vcpu', doc: 'kvm_run can carry registers in and out', value: 'SYNC_REGS bits' },
  KVM_CAP_PCI_2_3: { nr: 75, group: 'other', doc: 'shared interrupts of assigned devices (historic)' },
  KVM_CAP_DEVICE_CTRL: { nr: 89, group: 'other', doc: 'in-kernel devices are created by type' },
  KVM_CAP_EXT_EMUL_CPUID: { nr: 95, group: 'cpuid', doc: 'emulated CPUID features are listed' },
  KVM_CAP_HYPERV_TIME: { nr: 96, group: 'hyperv', doc: 'Hyper-V clocks' },
  KVM_CAP_ENABLE_CAP_VM: { nr: 98, group: 'other', doc: 'capabilities can be switched on for a VM' },
  KVM_CAP_VM_ATTRIBUTES: { nr: 101, group: 'other', doc: 'VMs have attributes' },
  KVM_CAP_CHECK_EXTENSION_VM: { nr: 105, group: 'other', doc: 'capabilities can be asked of a VM' },
  KVM_CAP_DISABLE_QUIRKS: { nr: 116, group: 'vcpu', doc: 'known deviations from hardware can be switched off' },
  KVM_CAP_X86_SMM: { nr: 117, group: 'vcpu', doc: 'system management mode' },
  KVM_CAP_GUEST_DEBUG_HW_BPS: { nr: 119, group: 'debug', doc: 'hardware breakpoints', value: 'count' },
  KVM_CAP_GUEST_DEBUG_HW_WPS: { nr: 120, group: 'debug', doc: 'hardware watchpoints', value: 'count' },
  KVM_CAP_HYPERV_SYNIC: { nr: 123, group: 'hyperv', doc: 'Hyper-V synthetic interrupt controller' },
  KVM_CAP_VCPU_ATTRIBUTES: { nr: 127, group: 'vcpu', doc: 'vCPUs have attributes, such as the TSC offset' },
  KVM_CAP_IMMEDIATE_EXIT: { nr: 136, group: 'vcpu', doc: 'kvm_run.immediate_exit makes KVM_RUN return at once' },
  KVM_CAP_X86_DISABLE_EXITS: {
    nr: 143,
    group: 'exits',
    doc: 'HLT, PAUSE, MWAIT and C-states can be left to the hardware',
    value: 'exits that can be disabled',
  },
  KVM_CAP_HYPERV_SYNIC2: { nr: 148, group: 'hyperv', doc: 'synthetic interrupt controller, second form' },
  KVM_CAP_HYPERV_VP_INDEX: { nr: 149, group: 'hyperv', doc: 'Hyper-V processor index can be set' },
  KVM_CAP_GET_MSR_FEATURES: { nr: 153, group: 'msr', doc: 'MSRs that describe the host can be read' },
  KVM_CAP_HYPERV_EVENTFD: { nr: 154, group: 'hyperv', doc: 'Hyper-V hypercalls can signal eventfds' },
  KVM_CAP_HYPERV_TLBFLUSH: { nr: 155, group: 'hyperv', doc: 'Hyper-V TLB flush hypercalls' },
  KVM_CAP_NESTED_STATE: { nr: 157, group: 'nested', doc: 'nested virtualization state can be saved', value: 'bytes' },
  KVM_CAP_MSR_PLATFORM_INFO: { nr: 159, group: 'msr', doc: 'guest reads of MSR_PLATFORM_INFO can be controlled' },
  KVM_CAP_HYPERV_SEND_IPI: { nr: 161, group: 'hyperv', doc: 'Hyper-V interprocessor interrupt hypercalls' },
  KVM_CAP_HYPERV_ENLIGHTENED_VMCS: { nr: 163, group: 'hyperv', doc: 'Hyper-V nested control structure' },
  KVM_CAP_EXCEPTION_PAYLOAD: { nr: 164, group: 'vcpu', doc: 'pending exceptions keep their payload (CR2, DR6)' },
  KVM_CAP_HYPERV_CPUID: { nr: 167, group: 'hyperv', doc: 'Hyper-V CPUID leaves are listed' },
  KVM_CAP_PMU_EVENT_FILTER: { nr: 173, group: 'msr', doc: 'performance events can be filtered' },
  KVM_CAP_HYPERV_DIRECT_TLBFLUSH: { nr: 175, group: 'hyperv', doc: 'nested TLB flush without exits' },
  KVM_CAP_HALT_POLL: { nr: 182, group: 'vcpu', doc: 'polling before a halted vCPU sleeps can be bounded' },
  KVM_CAP_ASYNC_PF_INT: { nr: 183, group: 'paravirt', doc: 'asynchronous page faults end with an interrupt' },
  KVM_CAP_LAST_CPU: { nr: 184, group: 'vcpu', doc: 'kvm_run tells the last physical CPU' },
  KVM_CAP_X86_USER_SPACE_MSR: {
    nr: 188,
    group: 'msr',
    doc: 'accesses to unhandled MSRs can exit',
    value: 'reasons that can exit',
  },
  KVM_CAP_X86_MSR_FILTER: { nr: 189, group: 'msr', doc: 'MSR accesses can be filtered' },
  KVM_CAP_ENFORCE_PV_FEATURE_CPUID: {
    nr: 190,
    group: 'paravirt',
    doc: 'guest gets only the paravirtual features in its CPUID',
  },
  KVM_CAP_SYS_HYPERV_CPUID: { nr: 191, group: 'hyperv', doc: 'Hyper-V CPUID leaves are listed without a vCPU' },
  KVM_CAP_X86_BUS_LOCK_EXIT: { nr: 193, group: 'exits', doc: 'bus locks can exit' },
  KVM_CAP_SET_GUEST_DEBUG2: {
    nr: 195,
    group: 'debug',
    doc: 'which debug controls there are',
    value: 'GUEST_DEBUG_FLAGS',
  },
  KVM_CAP_SGX_ATTRIBUTE: { nr: 196, group: 'other', doc: 'enclave attributes' },
  KVM_CAP_VM_COPY_ENC_CONTEXT_FROM: { nr: 197, group: 'other', doc: 'encrypted VMs can share a context' },
  KVM_CAP_HYPERV_ENFORCE_CPUID: { nr: 199, group: 'hyperv', doc: 'guest gets only the Hyper-V features in its CPUID' },
  KVM_CAP_SREGS2: { nr: 200, group: 'vcpu', doc: 'special registers with the PAE page-directory pointers' },
  KVM_CAP_EXIT_HYPERCALL: { nr: 201, group: 'exits', doc: 'hypercalls can exit', value: 'hypercalls that can exit' },
  KVM_CAP_BINARY_STATS_FD: { nr: 203, group: 'other', doc: 'statistics as a file' },
  KVM_CAP_EXIT_ON_EMULATION_FAILURE: { nr: 204, group: 'exits', doc: 'every failed emulation exits, in user mode too' },
  KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM: { nr: 206, group: 'other', doc: 'encrypted VMs can move between processes' },
  KVM_CAP_XSAVE2: { nr: 208, group: 'vcpu', doc: 'XSAVE area can be larger than 4 KiB', value: 'bytes of the area' },
  KVM_CAP_SYS_ATTRIBUTES: { nr: 209, group: 'other', doc: 'the system descriptor has attributes' },
  KVM_CAP_PMU_CAPABILITY: { nr: 212, group: 'msr', doc: 'performance counters can be switched off' },
  KVM_CAP_DISABLE_QUIRKS2: {
    nr: 213,
    group: 'vcpu',
    doc: 'known deviations from hardware can be switched off',
    value: 'quirks',
  },
  KVM_CAP_SYSTEM_EVENT_DATA: { nr: 215, group: 'exits', doc: 'system events carry data words' },
  KVM_CAP_X86_TRIPLE_FAULT_EVENT: { nr: 218, group: 'vcpu', doc: 'pending triple fault is part of the vCPU events' },
  KVM_CAP_X86_NOTIFY_VMEXIT: { nr: 219, group: 'exits', doc: 'exit when a guest blocks events for long' },
  KVM_CAP_PMU_EVENT_MASKED_EVENTS: { nr: 226, group: 'msr', doc: 'performance event filters with masks' },
  KVM_CAP_COUNTER_OFFSET: { nr: 227, group: 'other', doc: 'offset of the Arm counters' },
  KVM_CAP_MEMORY_FAULT_INFO: { nr: 232, group: 'exits', doc: 'failed guest accesses tell where' },
  KVM_CAP_VM_TYPES: { nr: 235, group: 'other', doc: 'types of VM', value: 'bitmap of types' },
  KVM_CAP_X86_GUEST_MODE: { nr: 238, group: 'nested', doc: 'exits tell whether a nested guest ran' },
} as const satisfies Record<string, Capability>;

/** Those of other architectures: numbers alone, so that every number has a name. */
const FOREIGN = {
  arm: {
    KVM_CAP_ARM_PSCI: 87,
    KVM_CAP_ARM_SET_DEVICE_ADDR: 88,
    KVM_CAP_ARM_EL1_32BIT: 93,
    KVM_CAP_ARM_PSCI_0_2: 102,
    KVM_CAP_ARM_PMU_V3: 126,
    KVM_CAP_ARM_USER_IRQ: 144,
    KVM_CAP_ARM_INJECT_SERROR_ESR: 158,
    KVM_CAP_ARM_VM_IPA_SIZE: 165,
    KVM_CAP_ARM_SVE: 170,
    KVM_CAP_ARM_PTRAUTH_ADDRESS: 171,
    KVM_CAP_ARM_PTRAUTH_GENERIC: 172,
    KVM_CAP_ARM_IRQ_LINE_LAYOUT_2: 174,
    KVM_CAP_ARM_NISV_TO_USER: 177,
    KVM_CAP_ARM_INJECT_EXT_DABT: 178,
    KVM_CAP_ARM_MTE: 205,
    KVM_CAP_ARM_SYSTEM_SUSPEND: 216,
    KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE: 228,
    KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES: 229,
    KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES: 230,
    KVM_CAP_ARM_WRITABLE_IMP_ID_REGS: 239,
    KVM_CAP_ARM_EL2: 240,
    KVM_CAP_ARM_EL2_E2H0: 241,
    KVM_CAP_ARM_CACHEABLE_PFNMAP_SUPPORTED: 243,
    KVM_CAP_ARM_SEA_TO_USER: 245,
  },
  mips: {
    KVM_CAP_MIPS_FPU: 111,
    KVM_CAP_MIPS_MSA: 112,
    KVM_CAP_MIPS_VZ: 137,
    KVM_CAP_MIPS_TE: 138,
    KVM_CAP_MIPS_64BIT: 139,
  },
  ppc: {
    KVM_CAP_PPC_SEGSTATE: 43,
    KVM_CAP_PPC_PAIRED_SINGLES: 48,
    KVM_CAP_PPC_OSI: 52,
    KVM_CAP_PPC_UNSET_IRQ: 53,
    KVM_CAP_PPC_GET_PVINFO: 57,
    KVM_CAP_PPC_IRQ_LEVEL: 58,
    KVM_CAP_PPC_BOOKE_SREGS: 62,
    KVM_CAP_SPAPR_TCE: 63,
    KVM_CAP_PPC_SMT: 64,
    KVM_CAP_PPC_RMA: 65,
    KVM_CAP_PPC_HIOR: 67,
    KVM_CAP_PPC_PAPR: 68,
    KVM_CAP_SW_TLB: 69,
    KVM_CAP_PPC_GET_SMMU_INFO: 78,
    KVM_CAP_PPC_ALLOC_HTAB: 80,
    KVM_CAP_PPC_BOOKE_WATCHDOG: 83,
    KVM_CAP_PPC_HTAB_FD: 84,
    KVM_CAP_PPC_EPR: 86,
    KVM_CAP_IRQ_MPIC: 90,
    KVM_CAP_PPC_RTAS: 91,
    KVM_CAP_IRQ_XICS: 92,
    KVM_CAP_SPAPR_MULTITCE: 94,
    KVM_CAP_PPC_FIXUP_HCALL: 103,
    KVM_CAP_PPC_ENABLE_HCALL: 104,
    KVM_CAP_PPC_HWRNG: 115,
    KVM_CAP_SPAPR_TCE_64: 125,
    KVM_CAP_PPC_HTM: 132,
    KVM_CAP_SPAPR_RESIZE_HPT: 133,
    KVM_CAP_PPC_MMU_RADIX: 134,
    KVM_CAP_PPC_MMU_HASH_V3: 135,
    KVM_CAP_SPAPR_TCE_VFIO: 142,
    KVM_CAP_PPC_FWNMI: 146,
    KVM_CAP_PPC_SMT_POSSIBLE: 147,
    KVM_CAP_PPC_GET_CPU_CHAR: 151,
    KVM_CAP_PPC_NESTED_HV: 160,
    KVM_CAP_PPC_IRQ_XIVE: 169,
    KVM_CAP_PPC_GUEST_DEBUG_SSTEP: 176,
    KVM_CAP_PPC_SECURE_GUEST: 181,
    KVM_CAP_PPC_DAWR1: 194,
    KVM_CAP_PPC_RPT_INVALIDATE: 202,
    KVM_CAP_PPC_AIL_MODE_3: 210,
  },
  riscv: {
    KVM_CAP_RISCV_MP_STATE_RESET: 242,
  },
  s390: {
    KVM_CAP_S390_PSW: 42,
    KVM_CAP_S390_GMAP: 71,
    KVM_CAP_S390_UCONTROL: 73,
    KVM_CAP_S390_COW: 79,
    KVM_CAP_S390_CSS_SUPPORT: 85,
    KVM_CAP_S390_IRQCHIP: 99,
    KVM_CAP_S390_USER_SIGP: 106,
    KVM_CAP_S390_VECTOR_REGISTERS: 107,
    KVM_CAP_S390_MEM_OP: 108,
    KVM_CAP_S390_USER_STSI: 109,
    KVM_CAP_S390_SKEYS: 110,
    KVM_CAP_S390_INJECT_IRQ: 113,
    KVM_CAP_S390_IRQ_STATE: 114,
    KVM_CAP_S390_RI: 124,
    KVM_CAP_S390_USER_INSTR0: 130,
    KVM_CAP_S390_GS: 140,
    KVM_CAP_S390_AIS: 141,
    KVM_CAP_S390_CMMA_MIGRATION: 145,
    KVM_CAP_S390_AIS_MIGRATION: 150,
    KVM_CAP_S390_BPB: 152,
    KVM_CAP_S390_HPAGE_1M: 156,
    KVM_CAP_S390_VCPU_RESETS: 179,
    KVM_CAP_S390_PROTECTED: 180,
    KVM_CAP_S390_DIAG318: 186,
    KVM_CAP_S390_MEM_OP_EXTENSION: 211,
    KVM_CAP_S390_PROTECTED_DUMP: 217,
    KVM_CAP_S390_ZPCI_OP: 221,
    KVM_CAP_S390_CPU_TOPOLOGY: 222,
    KVM_CAP_S390_PROTECTED_ASYNC_DISABLE: 224,
    KVM_CAP_S390_USER_OPEREXEC: 246,
  },
} as const satisfies Partial<Record<CapabilityGroup, Record<string, number>>>;

type Foreign = typeof FOREIGN;

/** Name of a capability, with its KVM_CAP_ prefix. */
export type CapabilityName = keyof typeof X86 | { [G in keyof Foreign]: keyof Foreign[G] }[keyof Foreign];

/** The table. Those that matter on x86 say what they mean. */
export const CAPABILITIES = {
  ...X86,
  ...Object.fromEntries(
    Object.entries(FOREIGN).flatMap(([group, numbers]) =>
      Object.entries(numbers).map(([name, nr]) => [name, { nr, group }]),
    ),
  ),
} as Readonly<Record<CapabilityName, Capability>>;
