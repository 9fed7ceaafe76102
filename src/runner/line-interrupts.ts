/** Interrupts of a machine without irqchip: a raised line becomes KVM_INTERRUPT with a vector of its own. */
import type { Machine } from '../machine/machine.ts';
import type { RunHooks } from './loop.ts';

/** Without irqchip, line n is delivered as vector 0x20 + n. */
export const FIRST_LINE_VECTOR = 0x20;

/** Decides when interrupts may be injected, and hears of those that are. */
export interface InterruptGate {
  /** Whether a waiting interrupt may be offered at this entry into the guest. */
  isOpen(): boolean;
  /** This vector was injected. */
  injected(vector: number): void;
}

/** The exit loop's hook; none on a machine with irqchip. */
export function lineInterrupts({ config, lines }: Machine, gate?: InterruptGate): Pick<RunHooks, 'interrupts'> {
  if (config.irqchip) return {};
  const take = () => {
    const line = lines.take();
    if (line === undefined) return undefined;
    gate?.injected(FIRST_LINE_VECTOR + line);
    return FIRST_LINE_VECTOR + line;
  };
  return { interrupts: { waiting: () => lines.waiting && gate?.isOpen() !== false, take } };
}
