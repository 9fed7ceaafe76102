/** Rows of the assist table, what they return, and the exceptions they raise (SDM volume 3, chapter 7). */
import { INTERRUPT_SHADOWS, VCPU_EVENT_FLAGS } from '../../abi/flags.ts';
import type { AssistCpu, AssistVcpu } from './cpu.ts';
import { type Encoding, type Instruction, linearAddress } from './decode.ts';

/** An exception or software interrupt to deliver. */
interface Delivery {
  readonly kind: 'exception' | 'interrupt';
  readonly vector: number;
  readonly errorCode?: number;
  /** A trap leaves RIP after the instruction, a fault at it. */
  readonly trap: boolean;
}

/** 'unable': cannot be done here, and the run ends as without the assist. A delivery: done by raising it. */
export type Outcome = 'done' | 'unable' | Delivery;

/** A row of the table. `run` works on the vCPU's state; the caller advances RIP unless the row `branches`. */
export interface AssistRow extends Encoding {
  readonly mnemonic: string;
  readonly doc: string;
  readonly branches?: true;
  run(cpu: AssistCpu, instruction: Instruction): Outcome;
}

/** Linear address of the memory operand. */
export const address = (cpu: AssistCpu, { memory, length }: Instruction): bigint =>
  linearAddress(memory!, cpu.regs, cpu.sregs, cpu.mode, cpu.regs.rip + BigInt(length));

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
 * Ends the interrupt shadow of a STI or MOV SS before the instruction, and queues what the instruction raised as an event
 * whose delivery was interrupted: the next KVM_RUN delivers it through the guest's IDT.
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
