/**
 * Waits in a HLT that was stepped over, where KVM emulates it: there a step over HLT is a step like others, KVM keeps what HLT asks
 * for, and does it behind an instruction that comes later (`halt_request` in arch/x86/kvm/x86.c). So HLT is run once more, without a step.
 */
import { MP_STATES } from '../../abi/flags.ts';
import { RFLAGS } from '../../abi/registers.ts';
import { clearKicks, KickTimer } from '../../ffi/signals.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';

/** With an irqchip the vCPU waits in KVM_RUN until this is over; a busy host gets longer each time. */
const WAIT_MS = 0.2;
const TRIES = 12;

/**
 * With an irqchip: the vCPU is halted afterwards. Call it behind the HLT; no step may be wanted now. Returns whether KVM_RUN came back
 * with an exit, which is to be served: what is no interrupt, an NMI say, wakes it. Throws KvmError, HostError.
 */
export function haltAgain(vcpu: Vcpu): boolean {
  if (vcpu.getMpState() === MP_STATES.HALTED) return false;
  using timer = new KickTimer();
  const { rip: behind, rflags } = vcpu.getRegs();
  const hlt = behind - 1n;
  goTo(vcpu, hlt, rflags & ~RFLAGS.IF); // no interrupt may come before it, nor end it
  let exited = false;
  for (let n = 0; n < TRIES && !exited && vcpu.getRegs().rip === hlt; n++) {
    timer.arm(WAIT_MS * 2 ** n);
    exited = vcpu.run();
    timer.arm(0);
    clearKicks(); // also one of the owner's: its request is found all the same, as the run ends here
  }
  const now = vcpu.getRegs();
  if (now.rip === hlt || now.rip === behind) goTo(vcpu, behind, rflags);
  else goTo(vcpu, now.rip, now.rflags | (rflags & RFLAGS.IF));
  return exited;
}

/** Without irqchip: KVM_RUN comes back with the exit of HLT (true). Call it behind the HLT; no step may be wanted now. Throws KvmError. */
export function exitAgain(vcpu: Vcpu): true {
  const { rip, rflags } = vcpu.getRegs();
  goTo(vcpu, rip - 1n, rflags);
  vcpu.area.head.request_interrupt_window = 0; // else KVM_RUN comes back before HLT, for an interrupt; it is asked for again
  while (!vcpu.run()) clearKicks(); // its request is found in the wait of HLT
  return true;
}

function goTo(vcpu: Vcpu, rip: bigint, flags: bigint): void {
  const regs = vcpu.getRegs();
  regs.rip = rip;
  regs.rflags = flags;
  vcpu.setRegs(regs);
}
