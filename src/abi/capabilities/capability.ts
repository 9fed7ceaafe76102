/** What a row of the capability table says. */

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
