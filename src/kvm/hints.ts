/** What usually causes an ioctl to fail, by ioctl and errno, and what to do about it. Data only. */
import {
  EACCES,
  EAGAIN,
  EBADF,
  EBUSY,
  EEXIST,
  EFAULT,
  EINTR,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOMEM,
  ENOTTY,
  ENXIO,
  EPERM,
} from '../ffi/fd.ts';
import { accessCure, type NodeOwner } from './node-owner.ts';

/** Why /dev/kvm could not be opened. `owner` is what the node says of itself. */
export function openHint(errno: number, owner?: NodeOwner): string {
  if (errno === EACCES) return `no permission on /dev/kvm${owner ? `: ${accessCure(owner)}` : ''}`;
  return OPEN_HINTS[errno] ?? 'KVM cannot be used here';
}

const OPEN_HINTS: Record<number, string> = {
  [ENOENT]:
    'there is no /dev/kvm: load the module (modprobe kvm_intel or kvm_amd), switch virtualization on in the firmware, or, inside a VM, ask its host for nested virtualization',
  [EPERM]: 'no permission on /dev/kvm: a container needs the device passed in (--device /dev/kvm)',
  [ENODEV]: 'the kvm module is loaded, but this CPU or its firmware offers no virtualization (VT-x or AMD-V)',
  [ENXIO]: 'the kvm module is loaded, but this CPU or its firmware offers no virtualization (VT-x or AMD-V)',
  [EBUSY]: 'another hypervisor holds the virtualization hardware',
};

const BY_IOCTL: Record<string, Record<number, string>> = {
  KVM_SET_USER_MEMORY_REGION: {
    [EINVAL]:
      'address, size and user memory must be multiples of 4 KiB, the slot number below KVM_CAP_NR_MEMSLOTS, and a slot may not change its size',
    [EEXIST]: 'the range overlaps another memory slot',
    [ENOMEM]: 'the kernel has no memory for the slot',
  },
  KVM_CREATE_VCPU: {
    [EEXIST]: 'this VM already has a vCPU of that id',
    [EINVAL]: 'the vCPU id is above KVM_CAP_MAX_VCPU_ID, or the VM has all its vCPUs',
  },
  KVM_CREATE_IRQCHIP: {
    [EEXIST]: 'the VM already has an in-kernel irqchip',
    [EINVAL]: 'the irqchip must be created before the first vCPU',
  },
  KVM_CREATE_PIT2: { [ENOENT]: 'create the irqchip first', [EEXIST]: 'the VM already has a PIT' },
  KVM_GET_DIRTY_LOG: {
    [ENOENT]: 'the slot does not exist or was made without KVM_MEM_LOG_DIRTY_PAGES',
    [ENXIO]: 'this VM logs into the dirty ring, which excludes the bitmap',
  },
  KVM_CLEAR_DIRTY_LOG: {
    [EINVAL]: 'first page and count must be multiples of 64 (the last run of a slot excepted)',
    [ENOENT]: 'the slot does not exist or was made without KVM_MEM_LOG_DIRTY_PAGES',
    [ENXIO]: 'this VM logs into the dirty ring, which excludes the bitmap',
  },
  KVM_INTERRUPT: {
    [ENXIO]: 'the VM has an in-kernel irqchip: raise a line with KVM_IRQ_LINE instead',
    [EEXIST]: 'an interrupt is already queued',
  },
  KVM_IRQ_LINE: { [ENXIO]: 'the VM has no in-kernel irqchip' },
  KVM_GET_IRQCHIP: { [ENXIO]: 'the VM has no in-kernel irqchip' },
  KVM_SET_IRQCHIP: { [ENXIO]: 'the VM has no in-kernel irqchip' },
  KVM_GET_LAPIC: { [EINVAL]: 'the VM has no in-kernel irqchip' },
  KVM_SET_LAPIC: { [EINVAL]: 'the VM has no in-kernel irqchip' },
  KVM_GET_PIT2: { [ENXIO]: 'the VM has no in-kernel PIT' },
  KVM_SET_PIT2: { [ENXIO]: 'the VM has no in-kernel PIT' },
  KVM_KVMCLOCK_CTRL: { [EINVAL]: 'the guest has not switched kvmclock on; this is harmless' },
  KVM_SET_SREGS: {
    [EINVAL]: 'the special registers contradict each other (CR0, CR4, EFER and the segments must fit one mode)',
  },
  KVM_SET_CPUID2: { [EINVAL]: 'CPUID cannot change after the vCPU has run, or a leaf is malformed' },
  KVM_RUN: {
    [EFAULT]: 'the guest touched memory whose user mapping is gone',
    [ENOENT]: 'the vCPU is not initialised',
    [EINTR]: 'a signal brought the thread back: there is no exit to serve',
    [EAGAIN]: 'the vCPU waits for another one to start it, and was woken: call it again',
  },
};

const GENERAL: Record<number, string> = {
  [EBADF]: 'the file descriptor is closed or of the wrong kind',
  [ENOTTY]: 'this kernel does not have the ioctl, or the descriptor is of another kind (system, VM, vCPU)',
  [EFAULT]: 'the argument is not readable or writable memory',
};

/** The usual cause of `errno` from `ioctl`, or an empty string. */
export function hintFor(ioctl: string, errno: number): string {
  return BY_IOCTL[ioctl]?.[errno] ?? GENERAL[errno] ?? '';
}
