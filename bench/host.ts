/** Which KVM a benchmark ran on. Numbers of different kinds must not be compared. */
import { existsSync } from 'node:fs';

/** Kernel module -> kind. Only one vendor module is loaded at a time. */
const KINDS = { kvm_intel: 'VMX', kvm_amd: 'SVM', kvm_pvm: 'PVM' } as const;

/** How this host's KVM runs guests: Intel VMX, AMD SVM, PVM (in software), or unknown. */
export function kvmKind(modules = '/sys/module'): string {
  const found = Object.entries(KINDS).find(([module]) => existsSync(`${modules}/${module}`));
  return found?.[1] ?? 'unknown';
}
