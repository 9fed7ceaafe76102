/** Events come to a guest that listens, as an interrupt at its local APIC, and to no other. */
import { expect, it } from 'vitest';
import { IRQCHIPS } from '../../../src/abi/flags.ts';
import { KvmIoapicState } from '../../../src/abi/structs.ts';
import { EVENTS } from '../../../src/machine/acpi/dsdt.ts';
import { raiseEvent } from '../../../src/machine/acpi/event.ts';
import { withVm } from '../../support/bare-vm.ts';
import { describeKvm } from '../../support/kvm.ts';

const VECTOR = 0x51;
const MASKED = 1n << 16n;
/** Spurious-interrupt vector register, with the bit that switches the local APIC on; and the first request register. */
const SPURIOUS = 0xf0;
const SWITCHED_ON = 0x1ff;
const REQUESTS = 0x200;

describeKvm('events of ACPI', () => {
  it.each(Object.keys(EVENTS) as (keyof typeof EVENTS)[])('%s', (event) => {
    withVm({ irqchip: true }, ({ vm, vcpu }) => {
      const lapic = vcpu.getLapic();
      const registers = new DataView(lapic.regs.buffer, lapic.regs.byteOffset, lapic.regs.byteLength);
      registers.setUint32(SPURIOUS, SWITCHED_ON, true);
      vcpu.setLapic(lapic);
      const redirect = (entry: bigint) => {
        const chip = vm.getIrqchip(IRQCHIPS.IOAPIC);
        KvmIoapicState.over(chip.chip).redirtbl.set(EVENTS[event], entry);
        vm.setIrqchip(chip);
      };
      const isRequested = () => {
        const { regs } = vcpu.getLapic();
        return ((regs[REQUESTS + (VECTOR >> 5) * 16 + ((VECTOR & 31) >> 3)]! >> (VECTOR & 7)) & 1) === 1;
      };
      redirect(MASKED | BigInt(VECTOR));
      expect(raiseEvent(vm, event)).toBe(false);
      expect(isRequested()).toBe(false);
      redirect(BigInt(VECTOR));
      expect(raiseEvent(vm, event)).toBe(true);
      expect(isRequested()).toBe(true);
    });
  });
});
