/**
 * Waits in a HLT that was stepped over, where KVM emulates it: there a step over HLT is a step like others, KVM keeps what HLT asks
 * for, and does it behind an instruction that comes later (`halt_request` in arch/x86/kvm/x86.c). So HLT is run once more, without a step.
 */
import { MP_STATES } from '../../abi/flags.ts';
import { RFLAGS } from '../../abi/registers.ts';
import { clearKicks, KickTimer } from '../../ffi/signals.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';

/** Long enough to run one instruction; with an irqchip the vCPU waits in KVM_RUN, until this is over. */
const WAIT_MS = 0.2;

/** With an irqchip: the vCPU is halted afterwards. Call it behind the HLT; no step may be wanted now. Throws KvmError. */
export function haltAgain(vcpu: Vcpu): void {
  const { rip, rflags } = vcpu.getRegs();
  const hlt = rip - 1n;
  goTo(vcpu, hlt, rflags & ~RFLAGS.IF); // no interrupt may come before it, nor end it
  using timer = new KickTimer();
  do {
    timer.arm(WAIT_MS);
    vcpu.run();
    timer.arm(0);
    clearKicks(); // also one of the owner's: its request is found all the same, as the run ends here
  } while (vcpu.getMpState() !== MP_STATES.HALTED && vcpu.getRegs().rip === hlt);
  goTo(vcpu, vcpu.getRegs().rip, rflags);
}

/** Without irqchip: KVM_RUN comes back with the exit of HLT. Call it behind the HLT; no step may be wanted now. Throws KvmError. */
export function exitAgain(vcpu: Vcpu): void {
  const { rip, rflags } = vcpu.getRegs();
  goTo(vcpu, rip - 1n, rflags);
  vcpu.area.head.request_interrupt_window = 0; // else KVM_RUN comes back before HLT, for an interrupt; it is asked for again
  while (!vcpu.run()) clearKicks(); // its request is found in the wait of HLT
}

function goTo(vcpu: Vcpu, rip: bigint, flags: bigint): void {
  const regs = vcpu.getRegs();
  regs.rip = rip;
  regs.rflags = flags;
  vcpu.setRegs(regs);
}
