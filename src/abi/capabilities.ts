/** Every KVM_CAP_… number, by name. Source: include/uapi/linux/kvm.h; meanings: Documentation/virt/kvm/api.rst. */
import type { Capability } from './capabilities/capability.ts';
import { FOREIGN_CAPABILITIES } from './capabilities/foreign.ts';
import { PLATFORM_CAPABILITIES } from './capabilities/platform.ts';
import { PROCESSOR_CAPABILITIES } from './capabilities/processor.ts';

export type { Capability, CapabilityGroup } from './capabilities/capability.ts';

/** Name of a capability, with its KVM_CAP_ prefix. */
export type CapabilityName =
  | keyof typeof PLATFORM_CAPABILITIES
  | keyof typeof PROCESSOR_CAPABILITIES
  | keyof typeof FOREIGN_CAPABILITIES;

/** The table. Those that matter on x86 say what they mean. */
export const CAPABILITIES: Readonly<Record<CapabilityName, Capability>> = {
  ...PLATFORM_CAPABILITIES,
  ...PROCESSOR_CAPABILITIES,
  ...FOREIGN_CAPABILITIES,
};
