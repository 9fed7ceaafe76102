/** Switching a capability on, which a VM and a vCPU do in the same way. */
import { CAPABILITIES, type CapabilityName } from '../abi/capabilities.ts';
import { bytesOf } from '../abi/struct.ts';
import { KvmEnableCap } from '../abi/structs.ts';
import type { Fd } from '../ffi/fd.ts';
import { ioctl } from './call.ts';

/** KVM_ENABLE_CAP (4.37) on a VM's or a vCPU's descriptor. Throws KvmError. */
export function enableCap(fd: Fd, capability: CapabilityName, args: readonly bigint[]): void {
  const enable = KvmEnableCap.alloc();
  enable.cap = CAPABILITIES[capability].nr;
  args.forEach((value, i) => {
    enable.args.set(i, value);
  });
  ioctl(fd, 'KVM_ENABLE_CAP', bytesOf(enable));
}
