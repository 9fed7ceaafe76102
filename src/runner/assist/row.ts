/** What a row of the assist table is. */
import type { AssistCpu } from './cpu.ts';
import { type Encoding, type Instruction, linearAddress } from './decode.ts';
import type { Outcome } from './outcome.ts';

/** A row: `run` works on the vCPU's state; RIP is advanced by the caller, unless the row `branches`. */
export interface AssistRow extends Encoding {
  readonly mnemonic: string;
  readonly doc: string;
  readonly branches?: true;
  run(cpu: AssistCpu, instruction: Instruction): Outcome;
}

/** Linear address of the memory operand. */
export const address = (cpu: AssistCpu, { memory, length }: Instruction): bigint =>
  linearAddress(memory!, cpu.regs, cpu.sregs, cpu.mode, cpu.regs.rip + BigInt(length));
