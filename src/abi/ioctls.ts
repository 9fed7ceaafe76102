/** The ioctl table: one row for each KVM ioctl that exists, or existed, on x86 and that the toolkit knows. */
import type { IoctlRow } from './ioctl.ts';
import { SYSTEM_IOCTLS } from './ioctls/system.ts';
import { VCPU_IOCTLS } from './ioctls/vcpu.ts';
import { VCPU_STATE_IOCTLS } from './ioctls/vcpu-state.ts';
import { VM_IOCTLS } from './ioctls/vm.ts';
import { VM_DEVICE_IOCTLS } from './ioctls/vm-devices.ts';

/** Every row by the kernel's name. A row on several kinds of descriptor stands under the first of its `on`. */
export const IOCTLS = {
  ...SYSTEM_IOCTLS,
  ...VM_IOCTLS,
  ...VM_DEVICE_IOCTLS,
  ...VCPU_IOCTLS,
  ...VCPU_STATE_IOCTLS,
} as const satisfies Record<string, IoctlRow>;

/** Name of an ioctl in the table. */
export type IoctlName = keyof typeof IOCTLS;
