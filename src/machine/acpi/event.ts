/** Tells a guest of an event by its interrupt, which the generic event device in the DSDT names. */
import { IRQCHIPS } from '../../abi/flags.ts';
import type { Live } from '../../abi/struct.ts';
import { KvmIoapicState, type KvmIrqchip } from '../../abi/structs.ts';
import type { Vm } from '../../kvm/vm.ts';
import { EVENTS } from './dsdt.ts';

const MASKED = 1n << 16n;

/**
 * Raises the event's interrupt if the guest has switched it on: one that has not would get it much later. Returns whether
 * it has. `ioApic` is the I/O APIC's state, if that is at hand. Throws KvmError.
 */
export function raiseEvent(
  vm: Vm,
  event: keyof typeof EVENTS,
  ioApic: Live<typeof KvmIrqchip.fields> = vm.getIrqchip(IRQCHIPS.IOAPIC),
): boolean {
  if (KvmIoapicState.over(ioApic.chip).redirtbl.at(EVENTS[event]) & MASKED) return false;
  for (const level of [1, 0] as const) vm.irqLine(EVENTS[event], level);
  return true;
}
