/**
 * The ioctl table: one row for each KVM ioctl that exists, or existed, on x86 and that the toolkit knows
 * (Documentation/virt/kvm/api.rst). Reference, not reading.
 */
import { type IoctlRow, list, on, system, vcpu, vm } from './ioctl-row.ts';
import * as structs from './structs.ts';

/** Every row by the kernel's name, in the order of their numbers in each part. */
export const IOCTLS = {
  // On /dev/kvm.
  KVM_GET_API_VERSION: system('none', 0x00, 'none', '4.1', {
    doc: 'version of the interface; refuse anything but 12',
    returns: '12',
  }),
  KVM_CREATE_VM: system('none', 0x01, 'int', '4.2', {
    doc: 'creates a virtual machine of a type (0: the default)',
    returns: 'VM file descriptor',
  }),
  KVM_GET_MSR_INDEX_LIST: system('RW', 0x02, list(structs.KvmMsrList, structs.KvmMsrIndex), '4.3', {
    doc: 'indices of the MSRs that make up guest state; E2BIG with the count when the list is too short',
  }),
  KVM_CHECK_EXTENSION: on('system', 'vm')('none', 0x03, 'int', '4.4', {
    doc: 'whether, or how much of, a capability there is',
    returns: '0 no, otherwise yes or a quantity',
  }),
  KVM_GET_VCPU_MMAP_SIZE: system('none', 0x04, 'none', '4.5', {
    doc: 'size of the area shared through a vCPU descriptor',
    returns: 'bytes to map',
  }),
  KVM_GET_SUPPORTED_CPUID: system('RW', 0x05, list(structs.KvmCpuid2, structs.KvmCpuidEntry2), '4.46', {
    doc: 'CPUID leaves that this host and KVM can offer a guest',
    capability: 'KVM_CAP_EXT_CPUID',
  }),
  KVM_GET_EMULATED_CPUID: system('RW', 0x09, list(structs.KvmCpuid2, structs.KvmCpuidEntry2), '4.88', {
    doc: 'CPUID features that KVM emulates where the hardware lacks them',
    capability: 'KVM_CAP_EXT_EMUL_CPUID',
  }),
  KVM_GET_MSR_FEATURE_INDEX_LIST: system('RW', 0x0a, list(structs.KvmMsrList, structs.KvmMsrIndex), '4.3', {
    doc: 'indices of the MSRs that describe what the host can do',
    capability: 'KVM_CAP_GET_MSR_FEATURES',
  }),
  KVM_X86_GET_MCE_CAP_SUPPORTED: system('R', 0x9d, structs.KvmU64, '4.104', {
    doc: 'supported machine-check capabilities',
    capability: 'KVM_CAP_MCE',
  }),
  KVM_GET_SUPPORTED_HV_CPUID: on('system', 'vcpu')(
    'RW',
    0xc1,
    list(structs.KvmCpuid2, structs.KvmCpuidEntry2),
    '4.118',
    {
      doc: 'CPUID leaves of the Hyper-V interface',
      capability: 'KVM_CAP_HYPERV_CPUID',
    },
  ),

  // On a VM: its memory, its vCPUs, itself.
  KVM_SET_MEMORY_REGION: vm('W', 0x40, structs.KvmMemoryRegion, '4.6', {
    doc: 'gave a slot memory that the kernel allocated',
    removed: { since: '3.9', instead: 'KVM_SET_USER_MEMORY_REGION, which takes memory of the process' },
  }),
  KVM_CREATE_VCPU: vm('none', 0x41, 'int', '4.7', {
    doc: 'creates a vCPU with an id (its APIC id at reset)',
    returns: 'vCPU file descriptor',
  }),
  KVM_GET_DIRTY_LOG: vm('W', 0x42, structs.KvmDirtyLog, '4.8', {
    doc: 'copies out the bitmap of pages written since the last call',
  }),
  KVM_SET_MEMORY_ALIAS: vm('W', 0x43, structs.KvmMemoryAlias, '4.9', {
    doc: 'showed part of a slot at a second guest-physical address',
    removed: { since: '2.6.36', instead: 'a second KVM_SET_USER_MEMORY_REGION slot on the same user memory' },
  }),
  KVM_SET_USER_MEMORY_REGION: vm('W', 0x46, structs.KvmUserspaceMemoryRegion, '4.35', {
    doc: 'creates, moves, changes or deletes a memory slot',
    capability: 'KVM_CAP_USER_MEMORY',
  }),
  KVM_SET_TSS_ADDR: vm('none', 0x47, 'int', '4.36', {
    doc: 'three pages of guest-physical space below 4 GiB that Intel hosts need in real mode',
    capability: 'KVM_CAP_SET_TSS_ADDR',
  }),
  KVM_SET_IDENTITY_MAP_ADDR: vm('W', 0x48, structs.KvmU64, '4.40', {
    doc: 'one page below 4 GiB for the identity map that Intel hosts need; before the first vCPU',
    capability: 'KVM_CAP_SET_IDENTITY_MAP_ADDR',
  }),
  KVM_SET_USER_MEMORY_REGION2: vm('W', 0x49, structs.KvmUserspaceMemoryRegion2, '4.140', {
    doc: 'as KVM_SET_USER_MEMORY_REGION, with private memory',
    capability: 'KVM_CAP_USER_MEMORY2',
  }),
  KVM_REGISTER_COALESCED_MMIO: vm('W', 0x67, structs.KvmCoalescedMmioZone, '4.116', {
    doc: 'batches guest writes to a range until the next exit',
    capability: 'KVM_CAP_COALESCED_MMIO',
  }),
  KVM_UNREGISTER_COALESCED_MMIO: vm('W', 0x68, structs.KvmCoalescedMmioZone, '4.116', {
    doc: 'ends batching for a range',
    capability: 'KVM_CAP_COALESCED_MMIO',
  }),
  KVM_ENABLE_CAP: on('vm', 'vcpu')('W', 0xa3, structs.KvmEnableCap, '4.37', {
    doc: 'switches a capability on',
    capability: 'KVM_CAP_ENABLE_CAP_VM',
  }),
  KVM_SET_PMU_EVENT_FILTER: vm('W', 0xb2, structs.KvmPmuEventFilter, '4.120', {
    doc: 'which performance events a guest may count',
    capability: 'KVM_CAP_PMU_EVENT_FILTER',
  }),
  KVM_CLEAR_DIRTY_LOG: vm('RW', 0xc0, structs.KvmClearDirtyLog, '4.117', {
    doc: 'write-protects again the pages whose bits are set in a bitmap',
    capability: 'KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2',
  }),
  KVM_X86_SET_MSR_FILTER: vm('W', 0xc6, structs.KvmMsrFilter, '4.97', {
    doc: 'which MSR accesses KVM handles; the others fault or exit',
    capability: 'KVM_CAP_X86_MSR_FILTER',
  }),
  KVM_RESET_DIRTY_RINGS: vm('none', 0xc7, 'none', '8.29', {
    doc: 'write-protects again the pages whose ring entries were collected',
    capability: 'KVM_CAP_DIRTY_LOG_RING',
    returns: 'number of entries reset',
  }),
  KVM_GET_STATS_FD: on('vm', 'vcpu')('none', 0xce, 'none', '4.133', {
    doc: 'statistics of a VM or vCPU as a readable file',
    capability: 'KVM_CAP_BINARY_STATS_FD',
    returns: 'file descriptor',
  }),
  KVM_SET_MEMORY_ATTRIBUTES: vm('W', 0xd2, structs.KvmMemoryAttributes, '4.141', {
    doc: 'makes guest memory private or shared',
    capability: 'KVM_CAP_MEMORY_ATTRIBUTES',
  }),
  KVM_CREATE_GUEST_MEMFD: vm('RW', 0xd4, structs.KvmCreateGuestMemfd, '4.142', {
    doc: 'memory that only the guest can see',
    capability: 'KVM_CAP_GUEST_MEMFD',
    returns: 'file descriptor',
  }),

  // On a VM: its interrupt controllers, timer and clock.
  KVM_CREATE_IRQCHIP: vm('none', 0x60, 'none', '4.24', {
    doc: 'creates both PICs and the I/O APIC in the kernel, and a local APIC with each later vCPU',
    capability: 'KVM_CAP_IRQCHIP',
  }),
  KVM_IRQ_LINE: vm('W', 0x61, structs.KvmIrqLevel, '4.25', {
    doc: 'sets the level of an interrupt line',
    capability: 'KVM_CAP_IRQCHIP',
  }),
  KVM_GET_IRQCHIP: vm('RW', 0x62, structs.KvmIrqchip, '4.26', {
    doc: 'reads the interrupt controller that chip_id names',
    capability: 'KVM_CAP_IRQCHIP',
  }),
  KVM_SET_IRQCHIP: vm('R', 0x63, structs.KvmIrqchip, '4.27', {
    doc: 'writes the interrupt controller that chip_id names (its number says read, by an old mistake)',
    capability: 'KVM_CAP_IRQCHIP',
  }),
  KVM_CREATE_PIT: vm('none', 0x64, 'none', '4.71', {
    doc: 'creates the 8254 timer; older form of KVM_CREATE_PIT2',
    capability: 'KVM_CAP_PIT',
  }),
  KVM_GET_PIT: vm('RW', 0x65, structs.KvmPitState, '4.72', {
    doc: 'reads the 8254 timer; older form of KVM_GET_PIT2',
    capability: 'KVM_CAP_PIT',
  }),
  KVM_SET_PIT: vm('R', 0x66, structs.KvmPitState, '4.73', {
    doc: 'writes the 8254 timer; older form of KVM_SET_PIT2 (its number says read, by an old mistake)',
    capability: 'KVM_CAP_PIT',
  }),
  KVM_IRQ_LINE_STATUS: vm('RW', 0x67, structs.KvmIrqLevel, '4.25', {
    doc: 'as KVM_IRQ_LINE; the status comes back in place of irq: above 0 delivered, 0 coalesced, below 0 masked',
    capability: 'KVM_CAP_IRQ_INJECT_STATUS',
  }),
  KVM_SET_GSI_ROUTING: vm('W', 0x6a, list(structs.KvmIrqRouting, structs.KvmIrqRoutingEntry), '4.52', {
    doc: 'replaces the table from GSI to controller pin or message',
    capability: 'KVM_CAP_IRQ_ROUTING',
  }),
  KVM_REINJECT_CONTROL: vm('none', 0x71, structs.KvmReinjectControl, '4.99', {
    doc: 'whether the timer makes up for ticks the guest missed',
    encodedSize: 0,
    capability: 'KVM_CAP_REINJECT_CONTROL',
  }),
  KVM_IRQFD: vm('W', 0x76, structs.KvmIrqfd, '4.75', {
    doc: 'ties an eventfd to an interrupt line',
    capability: 'KVM_CAP_IRQFD',
  }),
  KVM_CREATE_PIT2: vm('W', 0x77, structs.KvmPitConfig, '4.71', {
    doc: 'creates the 8254 timer; needs the in-kernel irqchip',
    capability: 'KVM_CAP_PIT2',
  }),
  KVM_SET_BOOT_CPU_ID: vm('none', 0x78, 'int', '4.41', {
    doc: 'which vCPU id is the bootstrap processor; before the first vCPU',
    capability: 'KVM_CAP_SET_BOOT_CPU_ID',
  }),
  KVM_IOEVENTFD: vm('W', 0x79, structs.KvmIoeventfd, '4.59', {
    doc: 'signals an eventfd on guest writes to a port or address, without an exit',
    capability: 'KVM_CAP_IOEVENTFD',
  }),
  KVM_SET_CLOCK: vm('W', 0x7b, structs.KvmClockData, '4.30', {
    doc: 'sets kvmclock',
    capability: 'KVM_CAP_ADJUST_CLOCK',
  }),
  KVM_GET_CLOCK: vm('R', 0x7c, structs.KvmClockData, '4.29', {
    doc: 'reads kvmclock',
    capability: 'KVM_CAP_ADJUST_CLOCK',
  }),
  KVM_GET_PIT2: vm('R', 0x9f, structs.KvmPitState2, '4.72', {
    doc: 'reads the 8254 timer',
    capability: 'KVM_CAP_PIT_STATE2',
  }),
  KVM_SET_PIT2: vm('W', 0xa0, structs.KvmPitState2, '4.73', {
    doc: 'writes the 8254 timer',
    capability: 'KVM_CAP_PIT_STATE2',
  }),
  KVM_SIGNAL_MSI: vm('W', 0xa5, structs.KvmMsi, '4.71', {
    doc: 'delivers a message-signalled interrupt',
    capability: 'KVM_CAP_SIGNAL_MSI',
    returns: 'above 0 delivered, 0 blocked by the guest',
  }),

  // On a vCPU, in the thread that runs it: what makes it do something.
  KVM_RUN: vcpu('none', 0x80, 'none', '4.10', { doc: 'runs the guest until it needs user space; why is in kvm_run' }),
  KVM_TRANSLATE: vcpu('RW', 0x85, structs.KvmTranslation, '4.15', {
    doc: 'translates a guest-linear address by the current page tables',
  }),
  KVM_INTERRUPT: vcpu('W', 0x86, structs.KvmInterrupt, '4.16', {
    doc: 'queues an external interrupt vector; only without in-kernel irqchip',
  }),
  KVM_DEBUG_GUEST: vcpu('W', 0x87, structs.KvmDebugGuest, '4.17', {
    doc: 'set breakpoints and single stepping',
    removed: { since: '2.6.30', instead: 'KVM_SET_GUEST_DEBUG' },
  }),
  KVM_SET_SIGNAL_MASK: vcpu('W', 0x8b, list(structs.KvmSignalMask, structs.KvmSignalMaskByte), '4.21', {
    doc: 'signal mask in force while in KVM_RUN; a null argument ends it',
  }),
  KVM_TPR_ACCESS_REPORTING: vcpu('RW', 0x92, structs.KvmTprAccessCtl, '5', {
    doc: 'exits on access to the task priority register',
    capability: 'KVM_CAP_VAPIC',
  }),
  KVM_SET_VAPIC_ADDR: vcpu('W', 0x93, structs.KvmVapicAddr, '5', {
    doc: 'guest-physical address of the shared task priority word',
    capability: 'KVM_CAP_VAPIC',
  }),
  KVM_NMI: vcpu('none', 0x9a, 'none', '4.64', {
    doc: 'queues a non-maskable interrupt',
    capability: 'KVM_CAP_USER_NMI',
  }),
  KVM_SET_GUEST_DEBUG: vcpu('W', 0x9b, structs.KvmGuestDebug, '4.87', {
    doc: 'breakpoints and single stepping',
    capability: 'KVM_CAP_SET_GUEST_DEBUG',
  }),
  KVM_X86_SETUP_MCE: vcpu('W', 0x9c, structs.KvmU64, '4.105', {
    doc: 'machine-check capabilities of the guest',
    capability: 'KVM_CAP_MCE',
  }),
  KVM_X86_SET_MCE: vcpu('W', 0x9e, structs.KvmX86Mce, '4.106', {
    doc: 'injects a machine check',
    capability: 'KVM_CAP_MCE',
  }),
  KVM_SET_TSC_KHZ: on('vcpu', 'vm')('none', 0xa2, 'int', '4.55', {
    doc: 'sets the frequency of the guest TSC in kHz',
    capability: 'KVM_CAP_TSC_CONTROL',
  }),
  KVM_GET_TSC_KHZ: on('vcpu', 'vm')('none', 0xa3, 'none', '4.56', {
    doc: 'reads the frequency of the guest TSC',
    capability: 'KVM_CAP_GET_TSC_KHZ',
    returns: 'kHz',
  }),
  KVM_KVMCLOCK_CTRL: vcpu('none', 0xad, 'none', '4.70', {
    doc: 'tells the guest through kvmclock that it was paused; EINVAL where it uses no kvmclock',
    capability: 'KVM_CAP_KVMCLOCK_CTRL',
  }),
  KVM_SMI: vcpu('none', 0xb7, 'none', '4.96', {
    doc: 'queues a system management interrupt',
    capability: 'KVM_CAP_X86_SMM',
  }),
  KVM_PRE_FAULT_MEMORY: vcpu('RW', 0xd5, structs.KvmPreFaultMemory, '4.143', {
    doc: 'maps guest memory ahead of use',
    capability: 'KVM_CAP_PRE_FAULT_MEMORY',
  }),
  KVM_SET_DEVICE_ATTR: on('vcpu', 'vm')('W', 0xe1, structs.KvmDeviceAttr, '4.80', {
    doc: 'writes an attribute, such as the TSC offset',
    capability: 'KVM_CAP_VCPU_ATTRIBUTES',
  }),
  KVM_GET_DEVICE_ATTR: on('vcpu', 'vm', 'system')('W', 0xe2, structs.KvmDeviceAttr, '4.80', {
    doc: 'reads an attribute, such as the TSC offset',
    capability: 'KVM_CAP_VCPU_ATTRIBUTES',
  }),
  KVM_HAS_DEVICE_ATTR: on('vcpu', 'vm', 'system')('W', 0xe3, structs.KvmDeviceAttr, '4.81', {
    doc: 'whether there is an attribute',
    capability: 'KVM_CAP_VCPU_ATTRIBUTES',
  }),

  // On a vCPU, in the thread that runs it: its state.
  KVM_GET_REGS: vcpu('R', 0x81, structs.KvmRegs, '4.11', { doc: 'reads the general-purpose registers' }),
  KVM_SET_REGS: vcpu('W', 0x82, structs.KvmRegs, '4.12', {
    doc: 'writes the general-purpose registers; clears a pending exception',
  }),
  KVM_GET_SREGS: vcpu('R', 0x83, structs.KvmSregs, '4.13', { doc: 'reads segment, table and control registers' }),
  KVM_SET_SREGS: vcpu('W', 0x84, structs.KvmSregs, '4.14', { doc: 'writes segment, table and control registers' }),
  KVM_GET_MSRS: on('vcpu', 'system')('RW', 0x88, list(structs.KvmMsrs, structs.KvmMsrEntry), '4.18', {
    doc: 'reads MSRs; on the system descriptor, those of the feature list',
    returns: 'number of MSRs read; fewer than asked: the next one failed',
  }),
  KVM_SET_MSRS: vcpu('W', 0x89, list(structs.KvmMsrs, structs.KvmMsrEntry), '4.19', {
    doc: 'writes MSRs',
    returns: 'number of MSRs written; fewer than asked: the next one failed',
  }),
  KVM_SET_CPUID: vcpu('W', 0x8a, list(structs.KvmCpuid, structs.KvmCpuidEntry), '4.20', {
    doc: 'sets CPUID leaves without sub-leaves; prefer KVM_SET_CPUID2',
  }),
  KVM_GET_FPU: vcpu('R', 0x8c, structs.KvmFpu, '4.22', { doc: 'reads x87 and SSE registers' }),
  KVM_SET_FPU: vcpu('W', 0x8d, structs.KvmFpu, '4.23', { doc: 'writes x87 and SSE registers' }),
  KVM_GET_LAPIC: vcpu('R', 0x8e, structs.KvmLapicState, '4.57', {
    doc: 'reads the local APIC',
    capability: 'KVM_CAP_IRQCHIP',
  }),
  KVM_SET_LAPIC: vcpu('W', 0x8f, structs.KvmLapicState, '4.58', {
    doc: 'writes the local APIC',
    capability: 'KVM_CAP_IRQCHIP',
  }),
  KVM_SET_CPUID2: vcpu('W', 0x90, list(structs.KvmCpuid2, structs.KvmCpuidEntry2), '4.20', {
    doc: 'sets CPUID leaves and sub-leaves; before the first KVM_RUN',
    capability: 'KVM_CAP_EXT_CPUID',
  }),
  KVM_GET_CPUID2: vcpu('RW', 0x91, list(structs.KvmCpuid2, structs.KvmCpuidEntry2), '4.20', {
    doc: 'reads the CPUID leaves that were set',
    capability: 'KVM_CAP_EXT_CPUID',
  }),
  KVM_GET_MP_STATE: vcpu('R', 0x98, structs.KvmMpState, '4.38', {
    doc: 'runnable, halted, waiting for INIT or SIPI; reading may deliver pending APIC events',
    capability: 'KVM_CAP_MP_STATE',
  }),
  KVM_SET_MP_STATE: vcpu('W', 0x99, structs.KvmMpState, '4.39', {
    doc: 'sets the run state',
    capability: 'KVM_CAP_MP_STATE',
  }),
  KVM_GET_VCPU_EVENTS: vcpu('R', 0x9f, structs.KvmVcpuEvents, '4.31', {
    doc: 'reads pending exceptions, interrupts, NMIs and SMIs',
    capability: 'KVM_CAP_VCPU_EVENTS',
  }),
  KVM_SET_VCPU_EVENTS: vcpu('W', 0xa0, structs.KvmVcpuEvents, '4.32', {
    doc: 'writes pending exceptions, interrupts, NMIs and SMIs',
    capability: 'KVM_CAP_VCPU_EVENTS',
  }),
  KVM_GET_DEBUGREGS: vcpu('R', 0xa1, structs.KvmDebugregs, '4.33', {
    doc: 'reads the debug registers',
    capability: 'KVM_CAP_DEBUGREGS',
  }),
  KVM_SET_DEBUGREGS: vcpu('W', 0xa2, structs.KvmDebugregs, '4.34', {
    doc: 'writes the debug registers',
    capability: 'KVM_CAP_DEBUGREGS',
  }),
  KVM_GET_XSAVE: vcpu('R', 0xa4, structs.KvmXsave, '4.42', {
    doc: 'reads the first 4 KiB of the XSAVE area',
    capability: 'KVM_CAP_XSAVE',
  }),
  KVM_SET_XSAVE: vcpu('W', 0xa5, structs.KvmXsave, '4.43', {
    doc: 'writes the XSAVE area, as many bytes as KVM_CAP_XSAVE2 says',
    capability: 'KVM_CAP_XSAVE',
  }),
  KVM_GET_XCRS: vcpu('R', 0xa6, structs.KvmXcrs, '4.44', {
    doc: 'reads the extended control registers',
    capability: 'KVM_CAP_XCRS',
  }),
  KVM_SET_XCRS: vcpu('W', 0xa7, structs.KvmXcrs, '4.45', {
    doc: 'writes the extended control registers',
    capability: 'KVM_CAP_XCRS',
  }),
  KVM_GET_NESTED_STATE: vcpu('RW', 0xbe, structs.KvmNestedState, '4.114', {
    doc: 'reads the state of nested virtualization',
    capability: 'KVM_CAP_NESTED_STATE',
  }),
  KVM_SET_NESTED_STATE: vcpu('W', 0xbf, structs.KvmNestedState, '4.115', {
    doc: 'writes the state of nested virtualization',
    capability: 'KVM_CAP_NESTED_STATE',
  }),
  KVM_GET_SREGS2: vcpu('R', 0xcc, structs.KvmSregs2, '4.131', {
    doc: 'as KVM_GET_SREGS, with the PAE page-directory pointers',
    capability: 'KVM_CAP_SREGS2',
  }),
  KVM_SET_SREGS2: vcpu('W', 0xcd, structs.KvmSregs2, '4.132', {
    doc: 'as KVM_SET_SREGS, with the PAE page-directory pointers',
    capability: 'KVM_CAP_SREGS2',
  }),
  KVM_GET_XSAVE2: vcpu('R', 0xcf, structs.KvmXsave, '4.134', {
    doc: 'reads the whole XSAVE area, as many bytes as KVM_CAP_XSAVE2 says',
    capability: 'KVM_CAP_XSAVE2',
  }),
} satisfies Record<string, IoctlRow>;

/** Name of an ioctl in the table. */
export type IoctlName = keyof typeof IOCTLS;
