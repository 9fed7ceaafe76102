/** Interrupts on a machine without irqchip: a raised line becomes KVM_INTERRUPT with a vector of its own. */
import type { Machine } from '../../machine/machine.ts';
import type { RunHooks } from '../loop.ts';

/** Line n arrives as vector 0x20 + n. */
export const FIRST_LINE_VECTOR = 0x20;

/** Hooks for the run loop; none on a machine with the irqchip. */
export function lineInterrupts(machine: Machine): Pick<RunHooks, 'interrupts'> {
  if (machine.config.irqchip) return {};
  const take = () => {
    const line = machine.lines.take();
    return line === undefined ? undefined : FIRST_LINE_VECTOR + line;
  };
  return { interrupts: { waiting: () => machine.lines.waiting, take } };
}
