/** What a user should know about a machine before it runs. */
import type { Kvm } from '../../src/kvm/kvm.ts';

/** A sentence when there are more vCPUs than KVM recommends on this host. */
export function cpusNote(kvm: Pick<Kvm, 'checkExtension'>, cpus: number): string | undefined {
  const recommended = kvm.checkExtension('KVM_CAP_NR_VCPUS');
  if (recommended === 0 || cpus <= recommended) return undefined;
  return `${cpus} vCPUs, where KVM recommends ${recommended}: they share this host's processors, so a vCPU may wait for one that does not run, and each takes a thread of this process and up to a fifth of a second to start and end`;
}
