/**
 * A guest's TSC. KVM swallows a write to IA32_TSC that is within a second of what it expects, taking it for one of
 * several vCPUs that are to agree; its offset to the host's TSC can be set exactly (devices/vcpu.rst, section 4). Where
 * guests read the processor's own TSC it cannot be set at all.
 */

import { VCPU_TSC_CTRL, VCPU_TSC_OFFSET } from '../../abi/flags.ts';
import { Msr } from '../../abi/msrs.ts';
import type { Vcpu } from '../vcpu.ts';

/** How this host sets a guest's TSC: exactly, by writing IA32_TSC (not to a value near the present one), or not. */
export type TscControl = 'offset' | 'write' | 'none';

/** Further than the host's TSC moves while this is tried: at 5 GHz about an hour. */
const FAR = 1n << 44n;

/** The value IA32_TSC has now in the guest. */
export const readTsc = (vcpu: Vcpu): bigint => vcpu.getMsrs([Msr.IA32_TSC])[0]!.value;

/** Finds out by trying; the TSC of the vCPU is another one then. Throws KvmError. */
export function tscControl(vcpu: Vcpu): TscControl {
  const before = readTsc(vcpu);
  const moved = () => readTsc(vcpu) - before > FAR / 2n;
  if (vcpu.hasDeviceAttr(VCPU_TSC_CTRL, VCPU_TSC_OFFSET)) {
    setTscOffset(vcpu, getTscOffset(vcpu) + FAR);
    if (moved()) return 'offset';
  }
  vcpu.setMsrs([{ index: Msr.IA32_TSC, value: before + FAR }]);
  return moved() ? 'write' : 'none';
}

/** The guest's TSC minus the host's, modulo 2^64. */
export const getTscOffset = (vcpu: Vcpu): bigint => vcpu.getDeviceAttr(VCPU_TSC_CTRL, VCPU_TSC_OFFSET);

export const setTscOffset = (vcpu: Vcpu, offset: bigint): void =>
  vcpu.setDeviceAttr(VCPU_TSC_CTRL, VCPU_TSC_OFFSET, BigInt.asUintN(64, offset));

/** Makes the guest's TSC go on from `value`, to within the time that two ioctls take. Returns the offset. */
export function setTsc(vcpu: Vcpu, value: bigint): bigint {
  const offset = getTscOffset(vcpu);
  const moved = BigInt.asUintN(64, offset + value - readTsc(vcpu));
  setTscOffset(vcpu, moved);
  return moved;
}
