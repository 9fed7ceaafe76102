import { expect, it } from 'vitest';
import { stateHost } from '../../src/kvm/state/host.ts';
import { VcpuStateIo } from '../../src/kvm/state/vcpu-state.ts';
import { START, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';

describeKvm('the saved state of a vCPU', () => {
  it.each([true, false])('is taken back by it, irqchip: %s', (irqchip) => {
    withVm({ irqchip }, (bare) => {
      const { kvm, vm, vcpu } = bare;
      vcpu.setCpuid2(kvm.getSupportedCpuid());
      bare.start(code('b0 01 e6 e9 04 01 e6 e9 f4 ; out 0xe9, 1; add al, 1; out 0xe9, al'));
      expect(bare.outByte()).toBe(1);
      vcpu.area.immediateExit = true;
      expect(vcpu.run(), 'completes the exit').toBe(false);
      vcpu.area.immediateExit = false;

      const state = new VcpuStateIo(vcpu, stateHost(kvm, vm, irqchip));
      state.save();
      expect(bare.outByte()).toBe(2);
      state.restore();
      expect(vcpu.getRegs()).toMatchObject({ rip: BigInt(START + 4), rax: 1n });
      expect(bare.outByte(), 'the same once more').toBe(2);
    });
  });
});
