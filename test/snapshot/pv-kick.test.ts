/**
 * A guest with paravirtual locks kicks a vCPU that is about to halt until its lock is free. Taken between the two, a state
 * without the kick leaves a guest in which that vCPU halts for ever.
 */
import { expect, it } from 'vitest';
import { stateLoader } from '../../snapshot/state-loader.ts';
import { captureState } from '../../snapshot/state-taker.ts';
import { MP_STATES } from '../../src/abi/flags.ts';
import { CheckpointError } from '../../src/errors.ts';
import { kick, kickReader } from '../../src/kvm/state/pv-kick.ts';
import { VcpuStateIo } from '../../src/kvm/state/vcpu-state.ts';
import { vcpuStateCaps } from '../../src/kvm/state/vcpu-state-caps.ts';
import { Machine } from '../../src/machine/machine.ts';
import { RunningMachine } from '../../src/runner/threads/running-machine.ts';
import { type BareVm, withVm } from '../support/bare-vm.ts';
import { code } from '../support/code.ts';
import { describeKvm } from '../support/kvm.ts';
import { thrown } from '../support/thrown.ts';

const HALTS_ONCE = code('fa f4 b0 41 e6 e9 f4 ; cli; hlt; mov al, 0x41; out 0xe9, al; hlt');

const isKicked = ({ vcpu, vm }: BareVm) => kickReader(vcpu, vm)();
const [ENABLED, X2APIC] = [1n << 11n, 1n << 10n];

/** A guest before its HLT, and its state's reader and writer. */
function withHalting(test: (bare: BareVm, io: VcpuStateIo) => void, apicMode = ENABLED): void {
  withVm({ irqchip: true }, (bare) => {
    const { kvm, vm, vcpu } = bare;
    vcpu.setCpuid2(kvm.getSupportedCpuid());
    const sregs = vcpu.getSregs();
    sregs.apic_base = (sregs.apic_base & ~(ENABLED | X2APIC)) | apicMode;
    vcpu.setSregs(sregs);
    vcpu.setLapic(vcpu.getLapic()); // only then do messages reach it
    bare.start(HALTS_ONCE);
    test(bare, new VcpuStateIo(vcpu, vm, vcpuStateCaps({ kvm, vm, config: { irqchip: true, cpus: 2 } })));
  });
}

describeKvm('a kick that a vCPU has not used', () => {
  it.each([
    ['xAPIC', ENABLED],
    ['x2APIC', ENABLED | X2APIC],
  ])('is left by a save, and ends the next HLT: %s', (_, mode) => {
    withHalting((bare, io) => {
      kick(bare.vcpu, bare.vm);
      io.save();
      expect(bare.vcpu.getMpState()).toBe(MP_STATES.RUNNABLE);
      expect(isKicked(bare)).toBe(true);
      expect(bare.outByte()).toBe(0x41);
    }, mode);
  });

  it('is refused where the local APIC is off, not lost', () => {
    withHalting(({ vcpu, vm }) => expect(thrown(CheckpointError, () => kick(vcpu, vm)).code).toBe('PV_KICK'), 0n);
  });

  it.each([true, false])('comes with the state that is loaded elsewhere: %s', (kicked) => {
    withHalting((from, saved) => {
      if (kicked) kick(from.vcpu, from.vm);
      saved.save();
      withHalting((to, loading) => {
        loading.record.set(saved.record);
        loading.restore();
        expect(isKicked(to)).toBe(kicked);
        if (kicked) expect(to.outByte()).toBe(0x41);
      });
    });
  });

  it('is asked of no vCPU that waits for its start', () => {
    withHalting(({ vcpu }, io) => {
      vcpu.setMpState(MP_STATES.UNINITIALIZED);
      io.save();
      expect(vcpu.getMpState()).toBe(MP_STATES.UNINITIALIZED);
    });
  });

  it("is in a machine's state where there are other vCPUs", async () => {
    for (const cpus of [1, 2]) {
      using machine = Machine.create({ memory: 2 ** 24, cpus });
      const running = await RunningMachine.start(machine);
      const kicks = () => captureState(running).vcpus.map(({ pv_kick }) => pv_kick?.[0]);
      try {
        expect(kicks()).toEqual(cpus === 1 ? [undefined] : [0, 0]);
        if (cpus === 1) continue;
        const state = structuredClone(captureState(running));
        state.vcpus[0]!.pv_kick![0] = 1;
        stateLoader(running, state)('resume');
        expect(kicks()).toEqual([1, 0]);
      } finally {
        await running.close();
      }
    }
  });
});
