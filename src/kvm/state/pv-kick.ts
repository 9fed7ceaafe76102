/**
 * A kick that a vCPU has not used yet. A guest with paravirtual locks kicks a vCPU (KVM_HC_KICK_CPU) that is about to halt
 * until its lock is free. KVM notes it, and the next HLT of that vCPU is over at once. Lost, it would halt for ever.
 *
 * No ioctl reads or writes this note. But KVM_GET_MP_STATE calls a halted vCPU that has one runnable, and a message with the
 * delivery mode that the hypercall uses makes one (arch/x86/kvm/x86.c, kvm_pv_kick_cpu_op and KVM_GET_MP_STATE).
 */
import { MP_STATES } from '../../abi/flags.ts';
import { bytesOf } from '../../abi/struct.ts';
import { KvmMpState } from '../../abi/structs.ts';
import { CheckpointError } from '../../errors.ts';
import { ioctl } from '../call.ts';
import type { Vcpu } from '../vcpu.ts';
import type { Vm } from '../vm.ts';

const { RUNNABLE, HALTED } = MP_STATES;

/** The address of messages to local APICs; bits 12 to 19 say to which (SDM vol. 3, 12.11.1). */
const MSI_ADDRESS = 0xfee0_0000;
/** Delivery mode 3, which hardware does not have. */
const KICK = 3 << 8;
/** 255 means all local APICs. */
const MOST = 255;

/**
 * Whether messages reach every local APIC: the ID of a vCPU's is its number, and has one byte in a message. Machines with more
 * vCPUs are saved without kicks.
 */
export const canKick = (cpus: number): boolean => cpus <= MOST;

/**
 * What tells whether a runnable vCPU has been kicked; the note stays. Made once: it is called inside pauses. Call it in the
 * vCPU's thread, in no KVM_RUN. It throws KvmError.
 */
export function kickReader(vcpu: Vcpu, vm: Vm): () => boolean {
  const record = KvmMpState.alloc();
  const bytes = bytesOf(record);
  const set = (state: number) => {
    record.mp_state = state;
    ioctl(vcpu.fd, 'KVM_SET_MP_STATE', bytes);
  };
  return () => {
    let kicked: boolean;
    set(HALTED);
    try {
      ioctl(vcpu.fd, 'KVM_GET_MP_STATE', bytes);
      kicked = record.mp_state === RUNNABLE;
    } finally {
      set(RUNNABLE);
    }
    if (kicked) kick(vcpu, vm); // since Linux 6.15, becoming runnable takes the note away
    return kicked;
  };
}

/** Notes that a vCPU has been kicked. Its local APIC must have been loaded. Throws KvmError, or CheckpointError where it is off. */
export function kick(vcpu: Vcpu, vm: Vm): void {
  if (vm.signalMsi(BigInt(MSI_ADDRESS + vcpu.id * 2 ** 12), KICK)) return;
  const why = `vCPU ${vcpu.id} has a kick that it has not used, and its local APIC does not take it`;
  throw new CheckpointError('PV_KICK', `${why}: the guest could halt for ever; take another checkpoint`);
}
