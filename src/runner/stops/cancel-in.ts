/**
 * Takes an IN back that has left KVM_RUN: the guest's state is as before the instruction. KVM goes on with an IN when
 * KVM_RUN is entered again, which would put a byte into AL and move RIP; so that is let happen, and then undone.
 */
import type { Vcpu } from '../../kvm/vcpu.ts';

/** See the file's header. Throws KvmError. */
export function cancelIn(vcpu: Vcpu): void {
  const regs = vcpu.getRegs();
  const { interrupt } = vcpu.getVcpuEvents();
  const { shadow } = interrupt;
  const { area } = vcpu;
  const wasImmediate = area.immediateExit;
  area.immediateExit = true;
  try {
    vcpu.run(); // no guest code runs; where KVM reports a step that it counts here, that is no step of the guest's
  } finally {
    area.immediateExit = wasImmediate;
  }
  vcpu.setRegs(regs);
  if (shadow === 0) return;
  const events = vcpu.getVcpuEvents();
  events.interrupt.shadow = shadow; // of the STI or MOV SS before: completing the IN has ended it
  vcpu.setVcpuEvents(events);
}
