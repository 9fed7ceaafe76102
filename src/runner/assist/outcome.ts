/** What becomes of an instruction that the assist tried, and the exceptions instructions raise (SDM volume 3, chapter 7). */
import { INTERRUPT_SHADOWS, VCPU_EVENT_FLAGS } from '../../abi/flags.ts';
import type { AssistVcpu } from './cpu.ts';

/** An exception or software interrupt to deliver. */
export interface Delivery {
  readonly kind: 'exception' | 'interrupt';
  readonly vector: number;
  readonly errorCode?: number;
  /** A trap leaves RIP behind the instruction, a fault leaves it there. */
  readonly trap: boolean;
}

/** Done; or not possible here, and the run ends as if there were no assist; or done by raising something. */
export type Outcome = 'done' | 'unable' | Delivery;

const fault = (vector: number, errorCode?: number): Delivery => ({
  kind: 'exception',
  vector,
  ...(errorCode !== undefined && { errorCode }),
  trap: false,
});

/** Invalid opcode, device not available, x87 error, general protection. */
export const UD = fault(6);
export const NM = fault(7);
export const MF = fault(16);
export const GP = fault(13, 0);

/**
 * Ends the interrupt shadow that a STI or MOV SS before the instruction left, and queues what the instruction raised, in
 * the state KVM keeps for events it was interrupted in delivering: the next KVM_RUN delivers it through the guest's IDT.
 */
export function finishEvents(vcpu: AssistVcpu, delivery: Delivery | undefined): void {
  const events = vcpu.getVcpuEvents();
  if (!delivery && events.interrupt.shadow === 0) return;
  events.flags |= VCPU_EVENT_FLAGS.SHADOW;
  events.interrupt.shadow &= ~(INTERRUPT_SHADOWS.MOV_SS | INTERRUPT_SHADOWS.STI);
  if (delivery?.kind === 'exception') {
    const { vector, errorCode } = delivery;
    Object.assign(events.exception, {
      injected: 1,
      nr: vector,
      has_error_code: errorCode === undefined ? 0 : 1,
      error_code: errorCode ?? 0,
    });
  } else if (delivery) Object.assign(events.interrupt, { injected: 1, nr: delivery.vector, soft: 1 });
  vcpu.setVcpuEvents(events);
}
