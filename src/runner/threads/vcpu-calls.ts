/** What the owner of a machine can ask of a vCPU thread, by name. Each runs in that thread, between two KVM_RUNs. */
import { bytesOf } from '../../abi/struct.ts';
import type { Translation, Vcpu } from '../../kvm/vcpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { collectFault, type FaultData } from '../fault/collect.ts';
import type { RunCounts, RunEnd } from '../result.ts';

/** What a call works with. */
export interface CallContext {
  readonly vcpu: Vcpu;
  readonly machine: Machine;
  counts(): RunCounts;
  haltedForGood(vcpu: Vcpu): boolean;
}

/** Arguments and results of the calls. Plain data. */
export interface VcpuCallTypes {
  /** Bytes of struct kvm_regs. */
  regs: { args: undefined; result: Uint8Array };
  setRegs: { args: Uint8Array; result: undefined };
  /** Bytes of struct kvm_sregs. */
  sregs: { args: undefined; result: Uint8Array };
  translate: { args: bigint; result: Translation };
  counts: { args: undefined; result: RunCounts };
  haltedForGood: { args: undefined; result: boolean };
  fault: { args: RunEnd; result: FaultData };
}

export type VcpuCallName = keyof VcpuCallTypes;

type Calls = {
  [Name in VcpuCallName]: (context: CallContext, args: VcpuCallTypes[Name]['args']) => VcpuCallTypes[Name]['result'];
};

const CALLS: Calls = {
  regs: ({ vcpu }) => bytesOf(vcpu.getRegs()),
  setRegs: ({ vcpu }, bytes) => {
    const regs = vcpu.getRegs();
    bytesOf(regs).set(bytes);
    vcpu.setRegs(regs);
    return undefined;
  },
  sregs: ({ vcpu }) => bytesOf(vcpu.getSregs()),
  translate: ({ vcpu }, linear) => vcpu.translate(linear),
  counts: ({ counts }) => counts(),
  haltedForGood: ({ vcpu, haltedForGood }) => haltedForGood(vcpu),
  fault: ({ vcpu, machine }, end) => collectFault(vcpu, machine.memory, end),
};

/** The table as the thread uses it, with names and arguments from messages. */
export const VCPU_CALLS = CALLS as Readonly<Record<string, (context: CallContext, args: never) => unknown>> as Record<
  string,
  (context: CallContext, args: unknown) => unknown
>;
