/** What a user should know about a machine before it runs. */
import { kvmBackend } from '../../src/kvm/backend.ts';
import type { Kvm } from '../../src/kvm/kvm.ts';

/** A sentence when there are more vCPUs than KVM recommends on this host. */
export function cpusNote(kvm: Pick<Kvm, 'checkExtension'>, cpus: number): string | undefined {
  const recommended = kvm.checkExtension('KVM_CAP_NR_VCPUS');
  if (recommended === 0 || cpus <= recommended) return undefined;
  return `${cpus} vCPUs, where KVM recommends ${recommended}: they share this host's processors, so a vCPU may wait for one that does not run, and each takes a thread of this process and up to a fifth of a second to start and end`;
}

/** A sentence where KVM does not keep to the CPUID that was chosen. */
export const cpuidNote = (): string | undefined =>
  kvmBackend() === 'PVM'
    ? "this host's KVM (PVM) answers much of CPUID 1, 7 and 0xD from the hardware: what --cpuid takes away there may still be seen"
    : undefined;
