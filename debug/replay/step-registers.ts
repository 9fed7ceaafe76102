/** Registers where a step begins or ends. */
import type { Live } from '../../src/abi/struct.ts';
import type { KvmRegs, KvmSregs } from '../../src/abi/structs.ts';

/** See the file's header. */
export interface StepRegisters {
  readonly regs: Live<typeof KvmRegs.fields>;
  readonly sregs: Live<typeof KvmSregs.fields>;
}
