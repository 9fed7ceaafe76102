/** Calls that a vCPU's thread answers between two KVM_RUNs: registers, translation, counts, a debugger's stops. */
import { bytesOf } from '../../abi/struct.ts';
import type { Translation, Vcpu } from '../../kvm/vcpu.ts';
import { collectFault, type FaultData, type FaultPlace } from '../fault/collect.ts';
import type { RunCounts, RunEnd } from '../result.ts';
import type { VcpuDebug, VcpuRegisters, WantedStops } from '../stops/vcpu-debug.ts';

/** What a call works with. */
interface CallContext extends FaultPlace {
  readonly debug: VcpuDebug;
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
  /** All that a debugger shows of a vCPU. */
  registers: { args: undefined; result: VcpuRegisters };
  /** Only the parts that are given are written. */
  setRegisters: { args: Partial<VcpuRegisters>; result: undefined };
  /** Where the vCPU is to stop; undefined: nowhere. */
  stopAt: { args: WantedStops | undefined; result: undefined };
}

export type VcpuCallName = keyof VcpuCallTypes;

const CALLS: {
  [Name in VcpuCallName]: (context: CallContext, args: VcpuCallTypes[Name]['args']) => VcpuCallTypes[Name]['result'];
} = {
  regs: ({ vcpu }) => bytesOf(vcpu.getRegs()),
  setRegs: ({ debug }, bytes) => void debug.write({ regs: bytes }),
  sregs: ({ vcpu }) => bytesOf(vcpu.getSregs()),
  translate: ({ vcpu }, linear) => vcpu.translate(linear),
  counts: ({ counts }) => counts(),
  haltedForGood: ({ vcpu, haltedForGood }) => haltedForGood(vcpu),
  fault: (context, end) => collectFault(context, end),
  registers: ({ debug }) => debug.registers(),
  setRegisters: ({ debug }, parts) => void debug.write(parts),
  stopAt: ({ debug }, wanted) => void debug.set(wanted),
};

/** The table for names and arguments from messages. */
export const VCPU_CALLS: Readonly<Record<string, (context: CallContext, args: never) => unknown>> = CALLS;
