/**
 * What of a vCPU's state this host's KVM keeps, found out by trying on a vCPU that never runs and is thrown away:
 * capabilities do not tell. Once in a process; some milliseconds.
 */

import { UNLISTED_MSRS } from '../../abi/msrs.ts';
import { KvmMsrs } from '../../abi/structs.ts';
import { ioctl, untraced } from '../call.ts';
import type { Kvm } from '../kvm.ts';
import { MAX_MSRS_AT_ONCE, msrListBytes, writeMsrs } from '../msr-list.ts';
import type { Vcpu } from '../vcpu.ts';
import { type TscControl, tscControl } from './tsc.ts';

/** What was found. Plain data. */
interface HostProbe {
  /** Those of {@link UNLISTED_MSRS} that can be read and written here. */
  readonly unlistedMsrs: readonly number[];
  readonly tsc: TscControl;
}

let found: HostProbe | undefined;

/** The answer for this host. Throws KvmError. */
export function probeHost(kvm: Kvm): HostProbe {
  found ??= untraced(() => probe(kvm));
  return found;
}

function probe(kvm: Kvm): HostProbe {
  using vm = kvm.createVm();
  using vcpu = vm.createVcpu(0, kvm.getVcpuMmapSize());
  vcpu.setCpuid2(kvm.getSupportedCpuid());
  return { unlistedMsrs: usableMsrs(vcpu, UNLISTED_MSRS), tsc: tscControl(vcpu) };
}

/** Those of the MSRs that KVM lets host side read, and write back with the value that was read. */
export function usableMsrs(vcpu: Vcpu, candidates: readonly number[]): number[] {
  const usable: number[] = [];
  for (let rest = candidates; rest.length > 0; ) {
    const some = rest.slice(0, MAX_MSRS_AT_ONCE).map((index) => ({ index, value: 0n }));
    const list = new Uint8Array(msrListBytes(some.length));
    writeMsrs(list, some);
    const read = ioctl(vcpu.fd, 'KVM_GET_MSRS', list);
    KvmMsrs.over(list).nmsrs = read;
    const written = read === 0 ? 0 : ioctl(vcpu.fd, 'KVM_SET_MSRS', list);
    usable.push(...rest.slice(0, written));
    rest = rest.slice(written === some.length ? written : written + 1);
  }
  return usable;
}
