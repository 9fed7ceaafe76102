/** What of a vCPU's state exists on this host, and how large it is: decides which rows of the state tables apply. */
import { ALL_SYNC_REGS } from '../../abi/flags.ts';
import { Msr } from '../../abi/msrs.ts';
import type { Kvm } from '../kvm.ts';
import type { Vm } from '../vm.ts';
import { probeHost } from './probe.ts';
import { canKick } from './pv-kick.ts';
import type { TscControl } from './tsc.ts';

/** Plain data; every thread of a machine uses the same. */
export interface VcpuStateCaps {
  /** Bytes of the XSAVE area (KVM_CAP_XSAVE2, at least 4096); 0 where there is no XSAVE and KVM_GET_FPU serves. */
  readonly xsaveBytes: number;
  readonly sregs2: boolean;
  readonly irqchip: boolean;
  /** vCPUs can kick each other out of HLT: see pv-kick.ts. */
  readonly kicks: boolean;
  /** Registers can be handed over in the kvm_run area (KVM_CAP_SYNC_REGS). */
  readonly syncRegs: boolean;
  /** How a guest's TSC is set. */
  readonly tsc: TscControl;
  /** Bytes of the nested virtualization state at most (KVM_CAP_NESTED_STATE); 0 where it cannot be saved. */
  readonly nestedBytes: number;
  /** MSRs to save: those of KVM_GET_MSR_INDEX_LIST and others that a guest can write, in the order of restoring. */
  readonly msrs: readonly number[];
}

const LEGACY_XSAVE_BYTES = 4096;

/** What decides, of a machine. */
interface Host {
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly config: { readonly irqchip: boolean; readonly cpus: number };
}

const known = new WeakMap<Vm, VcpuStateCaps>();

/** Asks KVM, once for each VM. Throws KvmError. */
export function vcpuStateCaps(host: Host): VcpuStateCaps {
  const caps = known.get(host.vm) ?? ask(host);
  known.set(host.vm, caps);
  return caps;
}

function ask({ kvm, vm, config: { irqchip, cpus } }: Host): VcpuStateCaps {
  const xsave = kvm.checkExtension('KVM_CAP_XSAVE') > 0;
  const { unlistedMsrs, tsc } = probeHost(kvm);
  return {
    xsaveBytes: xsave ? Math.max(vm.checkExtension('KVM_CAP_XSAVE2'), LEGACY_XSAVE_BYTES) : 0,
    sregs2: kvm.checkExtension('KVM_CAP_SREGS2') > 0,
    irqchip,
    kicks: irqchip && cpus > 1 && canKick(cpus) && vm.checkExtension('KVM_CAP_SIGNAL_MSI') > 0,
    syncRegs: (kvm.checkExtension('KVM_CAP_SYNC_REGS') & ALL_SYNC_REGS) === ALL_SYNC_REGS,
    msrs: savedMsrs(kvm.getMsrIndexList(), unlistedMsrs, irqchip),
    tsc,
    nestedBytes: kvm.checkExtension('KVM_CAP_NESTED_STATE'),
  };
}

/** KVM refuses even the MSR's own value where it has no local APIC to deliver the interrupt (arch/x86/kvm/x86.c). */
const NEEDS_LAPIC: readonly number[] = [Msr.MSR_KVM_ASYNC_PF_INT];

/** These come first: IA32_TSC, against which IA32_TSC_DEADLINE, the last, is armed; and what restoring asks of kvmclock. */
export const FIRST_MSRS: readonly number[] = [Msr.IA32_TSC, Msr.MSR_KVM_SYSTEM_TIME, Msr.MSR_KVM_SYSTEM_TIME_NEW];
const LAST_MSRS: readonly number[] = [Msr.IA32_TSC_DEADLINE];

function savedMsrs(listed: readonly number[], unlisted: readonly number[], irqchip: boolean): number[] {
  const all = new Set([...listed, ...unlisted].filter((index) => irqchip || !NEEDS_LAPIC.includes(index)));
  const there = (some: readonly number[]) => some.filter((index) => all.has(index));
  const between = [...all].filter((index) => !FIRST_MSRS.includes(index) && !LAST_MSRS.includes(index));
  return [...there(FIRST_MSRS), ...between, ...there(LAST_MSRS)];
}
