import { expect, it } from 'vitest';
import { SYNC_PARTS } from '../../src/kvm/state/sync-regs.ts';
import { VcpuStateIo } from '../../src/kvm/state/vcpu-state.ts';
import { vcpuStateCaps } from '../../src/kvm/state/vcpu-state-caps.ts';
import { type BareVm, START, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';

/** PAE paging: CR4.PAE and CR0.PG without EFER.LME; CR3 points to four page directory pointers. */
function enterPae({ vcpu, ram }: BareVm): void {
  const pointers = new BigUint64Array(ram.bytes.buffer, ram.bytes.byteOffset + 0x6000, 4);
  pointers.set([0x7001n, 0n, 0x8001n, 0n]);
  const sregs = vcpu.getSregs();
  sregs.cr3 = 0x6000n;
  sregs.cr4 |= 1n << 5n;
  sregs.cr0 |= (1n << 31n) | 1n;
  vcpu.setSregs(sregs);
}

/** A general protection fault that waits to be delivered. */
function queueException({ vcpu }: BareVm): void {
  const events = vcpu.getVcpuEvents();
  events.exception.injected = 1;
  events.exception.nr = 13;
  vcpu.setVcpuEvents(events);
}

const SITUATIONS: readonly [string, (bare: BareVm) => void][] = [
  ['real mode', () => {}],
  ['PAE paging', enterPae],
  ['a queued exception', queueException],
];

describeKvm('the saved state of a vCPU', () => {
  it.each(SITUATIONS)('is the same through KVM_RUN as through an ioctl for each part: %s', (_, prepare) => {
    withVm({ irqchip: true }, (bare) => {
      const { kvm, vm, vcpu } = bare;
      vcpu.setCpuid2(kvm.getSupportedCpuid());
      bare.start(code('b0 01 ; mov al, 1'));
      prepare(bare);
      const host = vcpuStateCaps({ kvm, vm, config: { irqchip: true, cpus: 1 } });
      const saved = [true, false].map((syncRegs) => {
        const state = new VcpuStateIo(vcpu, vm, { ...host, syncRegs: host.syncRegs && syncRegs });
        state.save();
        return state.parts;
      });
      for (const part of SYNC_PARTS) expect(saved[0]![part], part).toEqual(saved[1]![part]);
      expect(vcpu.getRegs().rip, 'no guest code was run').toBe(BigInt(START));
    });
  });

  it.each([true, false])('is taken back by it, irqchip: %s', (irqchip) => {
    withVm({ irqchip }, (bare) => {
      const { kvm, vm, vcpu } = bare;
      vcpu.setCpuid2(kvm.getSupportedCpuid());
      bare.start(code('b0 01 e6 e9 04 01 e6 e9 f4 ; out 0xe9, 1; add al, 1; out 0xe9, al'));
      expect(bare.outByte()).toBe(1);
      vcpu.area.immediateExit = true;
      expect(vcpu.run(), 'completes the exit').toBe(false);
      vcpu.area.immediateExit = false;

      const state = new VcpuStateIo(vcpu, vm, vcpuStateCaps({ kvm, vm, config: { irqchip, cpus: 1 } }));
      state.save();
      expect(bare.outByte()).toBe(2);
      state.restore();
      expect(vcpu.getRegs()).toMatchObject({ rip: BigInt(START + 4), rax: 1n });
      expect(bare.outByte(), 'the same once more').toBe(2);
    });
  });
});
