/** Exceptions that nobody took. To return from them would be to run into them again, so they end the run. */
import type { Interrupt } from '../service.ts';
import { hex2, hex4 } from '../text.ts';

/** An exception whose handler would come back to the instruction at fault. */
export const faultOf = (name: string): Interrupt => ({ services: { name, run: () => 'fault' } });

/** A trap returns behind its instruction, so the program can go on. */
const trapOf = (name: string): Interrupt => ({
  services: {
    name,
    run({ vector, caller, host }) {
      const where = `${hex4(caller.cs)}:${hex4(caller.ip)}`;
      host.note(name, `INT ${hex2(vector)}h: ${name} before ${where}, and the program has no handler for it`);
    },
  },
});

/** By vector. */
export const FAULTS: readonly (readonly [vector: number, Interrupt])[] = [
  [0, faultOf('divide error')],
  [1, trapOf('single step')],
  [2, trapOf('non-maskable interrupt')],
  [3, trapOf('breakpoint')],
  [4, trapOf('overflow')],
  [6, faultOf('invalid opcode')],
  [7, faultOf('no coprocessor')],
];
