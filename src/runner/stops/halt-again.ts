/**
 * Waits in a HLT that was stepped over, for hosts where KVM emulates it. There the step ends behind HLT and nothing waits: KVM notes
 * that the vCPU is to halt (`halt_request` in arch/x86/kvm/x86.c), and halts it at the next instruction that it emulates without a step.
 * So HLT is run once more, without a step.
 */
import { MP_STATES } from '../../abi/flags.ts';
import { RFLAGS } from '../../abi/registers.ts';
import { clearKicks, KickTimer } from '../../ffi/signals.ts';
import type { Vcpu } from '../../kvm/vcpu.ts';

/** How long KVM_RUN may take to run one HLT; then a timer ends it, as the vCPU waits in it. Twice as long in each further try. */
const WAIT_MS = 0.2;
const TRIES = 12;

/**
 * With an irqchip: the vCPU is halted afterwards. Call it behind the HLT; no step may be wanted now. Returns whether
 * KVM_RUN came back with an exit, which the caller must serve: an NMI, for example, can wake the vCPU. Throws KvmError, HostError.
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
    clearKicks(); // maybe also a kick of the owner's; nothing is lost, as the run ends here and its request is looked at then
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
  vcpu.area.head.request_interrupt_window = 0; // else KVM_RUN may come back before HLT; the loop asks for the window again
  while (!vcpu.run()) clearKicks(); // maybe also a kick of the owner's; its request is looked at in the wait of HLT
  return true;
}

function goTo(vcpu: Vcpu, rip: bigint, flags: bigint): void {
  const regs = vcpu.getRegs();
  regs.rip = rip;
  regs.rflags = flags;
  vcpu.setRegs(regs);
}
